package providers

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

//go:embed data/providers.schema.json
var schemaFile []byte

// compiled is the schema, compiled. The file is part of the package: that it compiles is held by a test.
var compiled = sync.OnceValue(func() *jsonschema.Schema {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaFile))
	if err != nil {
		panic(fmt.Sprintf("providers.schema.json: %v", err))
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("providers.schema.json", value); err != nil {
		panic(fmt.Sprintf("providers.schema.json: %v", err))
	}
	return compiler.MustCompile("providers.schema.json")
})

// definition is a part of the schema that describes a section.
type definition struct {
	Default    any                   `json:"default"`
	Properties map[string]definition `json:"properties"`
}

// definitions are those of the sections, by name.
var definitions = sync.OnceValue(func() map[string]definition {
	var schema struct {
		Defs map[string]definition `json:"$defs"`
	}
	if err := json.Unmarshal(schemaFile, &schema); err != nil {
		panic(fmt.Sprintf("providers.schema.json: %v", err))
	}
	return schema.Defs
})

// defaults are the default values of a definition's options.
func (d definition) defaults() section {
	values := section{}
	for name, option := range d.Properties {
		if option.Default != nil {
			values[name] = option.Default
		}
	}
	return values
}

// checkSchema reports what the JSON Schema finds: one fault for each path, as a value of a wrong type is not looked at further.
func checkSchema(d *document) {
	err := compiled().Validate(finite(d.value))
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return
	}
	for _, leaf := range leaves(invalid) {
		path, value := d.locate(leaf.InstanceLocation)
		if unknown, ok := leaf.ErrorKind.(*kind.AdditionalProperties); ok {
			for _, key := range unknown.Properties {
				at := join(path, key)
				d.fault("unknown_key", at, d.keyLines[at], key, "a key that exists there")
			}
			continue
		}
		code, allowed := codeOf(leaf.ErrorKind)
		d.fault(code, path, d.line(path), value, allowed)
	}
}

func leaves(err *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(err.Causes) == 0 {
		return []*jsonschema.ValidationError{err}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range err.Causes {
		all = append(all, leaves(cause)...)
	}
	return all
}

// codeOf is the code of PF-7 for a keyword of the schema.
func codeOf(keyword jsonschema.ErrorKind) (code, allowed string) {
	switch keyword := keyword.(type) {
	case *kind.Type:
		return "type", strings.Join(keyword.Want, " or ")
	case *kind.Minimum:
		return "range", "at least " + keyword.Want.RatString()
	case *kind.Maximum:
		return "range", "at most " + keyword.Want.RatString()
	case *kind.ExclusiveMinimum:
		return "range", "above " + keyword.Want.RatString()
	case *kind.Enum:
		return "enum", fmt.Sprintf("one of %v", keyword.Want)
	case *kind.Required:
		return "required", "with " + strings.Join(keyword.Missing, ", ")
	default:
		panic(fmt.Sprintf("providers.schema.json uses a keyword without a code: %T", keyword))
	}
}

// locate is the path and value at a location of the schema's validator.
func (d *document) locate(location []string) (path string, value any) {
	value = d.value
	for _, token := range location {
		switch collection := value.(type) {
		case []any:
			index, _ := strconv.Atoi(token) // the validator's own index
			path, value = fmt.Sprintf("%s[%d]", path, index), collection[index]
		case map[string]any:
			path, value = join(path, token), collection[token]
		}
	}
	return path, value
}

// finite is the value with a number in place of infinities and NaN, which JSON does not have: one that is neither whole
// nor in any range.
func finite(value any) any {
	switch value := value.(type) {
	case float64:
		if math.IsInf(value, 0) || math.IsNaN(value) {
			return json.Number(strings.Repeat("9", 400) + ".5")
		}
	case []any:
		copied := make([]any, len(value))
		for i, each := range value {
			copied[i] = finite(each)
		}
		return copied
	case map[string]any:
		copied := map[string]any{}
		for key, each := range value {
			copied[key] = finite(each)
		}
		return copied
	}
	return value
}
