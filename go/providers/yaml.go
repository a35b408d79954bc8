package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxBytes = 262_144
	maxDepth = 16
	// maxKeyDepth holds within a key, whose levels do not count otherwise.
	maxKeyDepth = 100
)

// document is the values of a file, where they stand, and the faults of reading it. With faults, its value is not to be
// used. Paths are those of PF-8.
type document struct {
	value    any
	lines    map[string]int      // of values
	keyLines map[string]int      // of keys
	keys     map[string][]string // of mappings, in their order
	faults   []Fault
}

// line is the line of the value at a path.
func (d *document) line(path string) int {
	if line, ok := d.lines[path]; ok {
		return line
	}
	return 1
}

func (d *document) fault(code, path string, line int, value any, allowed string) {
	d.faults = append(d.faults, Fault{code, path, line, value, allowed})
}

// join is the path of a key in the mapping at a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// readYAML reads the one document of a file as plain values, and refuses what has no place in a configuration (PF-5 to
// PF-8).
func readYAML(data []byte) *document {
	d := &document{lines: map[string]int{}, keyLines: map[string]int{}, keys: map[string][]string{}}
	if len(data) > maxBytes {
		d.fault("too_large", "", 1, fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d bytes", maxBytes))
		return d
	}
	if at := invalidUTF8(data); at >= 0 {
		d.fault("syntax", "", bytes.Count(data[:at], []byte("\n"))+1, fmt.Sprintf("%#x", data[at]), "UTF-8")
		return d
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// The parser wants to hear of no other version; the schema is that of 1.2 all the same.
	if rest, found := bytes.CutPrefix(data, []byte("%YAML 1.2")); found {
		data = append([]byte("%YAML 1.1"), rest...)
	}
	root := d.parse(withoutJSONEscapes(data))
	if root == nil {
		return d
	}
	r := reader{document: d}
	d.value = r.read(root, "", 1)
	if r.tooDeepLine == 0 {
		r.tooDeepLine = lineBeyond(root, maxKeyDepth)
	}
	if r.tooDeepLine > 0 {
		d.tooDeep(r.tooDeepLine)
	}
	return d
}

// jsonEscape is an escape of a JSON string, or a pair of those that stand for one character.
var jsonEscape = regexp.MustCompile(`\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// withoutJSONEscapes is JSON without the escapes that the parser, of YAML 1.1, does not know: \/ and pairs of surrogates.
func withoutJSONEscapes(data []byte) []byte {
	if !bytes.ContainsRune(data, '\\') || !json.Valid(data) {
		return data
	}
	return jsonEscape.ReplaceAllFunc(data, func(escape []byte) []byte {
		if string(escape) == `\/` || len(escape) > 2 {
			var char string
			if err := json.Unmarshal([]byte(`"`+string(escape)+`"`), &char); err == nil {
				return []byte(char)
			}
		}
		return escape
	})
}

func invalidUTF8(data []byte) int {
	for at := 0; at < len(data); {
		char, size := utf8.DecodeRune(data[at:])
		if char == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
	return -1
}

// parse returns the root of the one document, or nil with a fault.
func (d *document) parse(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	err := decoder.Decode(&root)
	if err != nil && unknownAnchor.MatchString(err.Error()) {
		// The parser stops at an alias of nothing. As an anchor, its place can be told.
		data = alias.ReplaceAll(data, []byte("$1&"+aliasMark+"$2"))
		decoder = yaml.NewDecoder(bytes.NewReader(data))
		err = decoder.Decode(&root)
	}
	switch {
	case errors.Is(err, io.EOF) || (err == nil && len(root.Content) == 0):
		d.fault("documents", "", 1, "no document", "one document")
		return nil
	case err != nil:
		d.unparsable(data, err)
		return nil
	}
	err = decoder.Decode(&second)
	switch {
	case errors.Is(err, io.EOF):
		return root.Content[0]
	case err != nil:
		line := markerAfter(data, root.Content[0])
		if line == 0 {
			d.unparsable(data, err)
			break
		}
		d.fault("documents", "", line, "a second document", "one document")
	default:
		d.fault("documents", "", max(second.Line, 1), "a second document", "one document")
	}
	return nil
}

// markerAfter is the line at which another document begins after the first, so that an error is one of that document; 0:
// none does.
func markerAfter(data []byte, root *yaml.Node) int {
	lines := strings.Split(string(data), "\n")
	for i := lastLine(root); i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "---") {
			return i + 1
		}
	}
	return 0
}

func lastLine(node *yaml.Node) int {
	last := node.Line
	for _, child := range node.Content {
		last = max(last, lastLine(child))
	}
	return last
}

var (
	lineOfError   = regexp.MustCompile(`line (\d+): `)
	unknownAnchor = regexp.MustCompile(`unknown anchor '.*' referenced`)
	alias         = regexp.MustCompile(`(^|[\s,\[{])\*([A-Za-z0-9_-]+)`)
)

// aliasMark begins the name of an anchor that was written as an alias.
const aliasMark = "alias---"

// unparsable reports what the YAML parser says.
func (d *document) unparsable(data []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if found := lineOfError.FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1]) // digits by the pattern
		text = strings.TrimPrefix(text, found[0])
	}
	if strings.Contains(text, "exceeded max depth") {
		d.tooDeep(max(lineOfBrackets(data), line))
		return
	}
	if deep := lineOfBrackets(data); deep > 0 {
		d.tooDeep(deep)
		return
	}
	d.fault("syntax", "", line, text, "YAML")
}

// tooDeep is a fault of the whole file, and its only one.
func (d *document) tooDeep(line int) {
	levels := fmt.Sprintf("%d levels", maxDepth+1)
	d.faults = []Fault{{"too_deep", "", line, levels, fmt.Sprintf("at most %d levels", maxDepth)}}
}

// lineOfBrackets is the line at which brackets are nested too deep, in a file that the parser gave up; 0: nowhere.
func lineOfBrackets(data []byte) int {
	line, depth := 1, 0
	quote, previous := byte(0), byte(' ')
	for _, char := range data {
		switch {
		case quote == '#' && char != '\n':
		case quote != 0:
			if char == quote && (quote != '"' || previous != '\\') || quote == '#' {
				quote = 0
			}
		case (char == '"' || char == '\'') && strings.IndexByte(" \t\n,:[{'", previous) >= 0: // after a quote: '' within a text
			quote = char
		case char == '#' && strings.IndexByte(" \t\n", previous) >= 0:
			quote = char
		case char == '[' || char == '{':
			if depth++; depth > maxDepth {
				return line
			}
		case char == ']' || char == '}':
			depth--
		}
		if char == '\n' {
			line++
		}
		previous = char
	}
	return 0
}

// lineBeyond is the line of the first collection that is nested deeper than so many levels, those within keys included; 0:
// none is.
func lineBeyond(node *yaml.Node, levels int) int {
	if node.Kind == yaml.ScalarNode || node.Kind == yaml.AliasNode {
		return 0
	}
	if levels == 0 {
		return node.Line
	}
	for _, child := range node.Content {
		if line := lineBeyond(child, levels-1); line > 0 {
			return line
		}
	}
	return 0
}

const allowedAlias = "no anchors and aliases: use extend"

// reader turns nodes into values.
type reader struct {
	*document
	tooDeepLine int // of the first collection that is nested too deep
}

func (r *reader) read(node *yaml.Node, path string, level int) any {
	if path != "" || node.Value != "" || node.Kind != yaml.ScalarNode { // an empty document stands nowhere
		r.lines[path] = node.Line
	}
	if node.Kind == yaml.AliasNode {
		r.fault("alias", path, node.Line, "*"+node.Value, allowedAlias)
		return nil
	}
	r.checkProperties(node, path)
	if node.Kind == yaml.ScalarNode {
		return scalar(node)
	}
	if level > maxDepth {
		if r.tooDeepLine == 0 {
			r.tooDeepLine = node.Line
		}
		return nil
	}
	if node.Kind == yaml.SequenceNode {
		values := make([]any, len(node.Content))
		for i, child := range node.Content {
			values[i] = r.read(child, fmt.Sprintf("%s[%d]", path, i), level+1)
		}
		return values
	}
	return r.mapping(node, path, level)
}

func (r *reader) mapping(node *yaml.Node, path string, level int) any {
	values := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch key.Kind {
		case yaml.AliasNode:
			r.fault("alias", join(path, "*"+key.Value), key.Line, "*"+key.Value, allowedAlias)
		case yaml.ScalarNode:
			at := join(path, key.Value)
			if name, ok := strings.CutPrefix(key.Anchor, aliasMark); ok {
				at = join(path, "*"+name)
			}
			r.checkProperties(key, at)
			if _, ok := values[key.Value]; ok {
				r.fault("duplicate_key", at, key.Line, key.Value, "each key once")
			} else {
				r.keyLines[at] = key.Line
				r.keys[path] = append(r.keys[path], key.Value)
			}
			values[key.Value] = r.read(value, at, level+1)
		default:
			r.fault("type", path, key.Line, "a collection as a key", "keys that are strings")
		}
	}
	return values
}

// checkProperties reports an anchor and an explicit tag.
func (r *reader) checkProperties(node *yaml.Node, path string) {
	if name, ok := strings.CutPrefix(node.Anchor, aliasMark); ok {
		r.fault("alias", path, node.Line, "*"+name, allowedAlias)
	} else if node.Anchor != "" {
		r.fault("alias", path, node.Line, "&"+node.Anchor, allowedAlias)
	}
	if node.Style&yaml.TaggedStyle != 0 {
		r.fault("tag", path, node.Line, node.Tag, "no tags")
	}
}

// The core schema of YAML 1.2, in which "yes" and "1_000" are strings.
var (
	decimal     = regexp.MustCompile(`^[-+]?[0-9]+$`)
	octal       = regexp.MustCompile(`^0o[0-7]+$`)
	hexadecimal = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	float       = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

func scalar(node *yaml.Node) any {
	text := node.Value
	if node.Style&^yaml.FlowStyle != 0 {
		return text // quoted, or a block
	}
	switch text {
	case "null", "Null", "NULL", "~", "":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1)
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1)
	case ".nan", ".NaN", ".NAN":
		return math.NaN()
	}
	switch {
	case decimal.MatchString(text):
		return integer(text, 10)
	case octal.MatchString(text):
		return integer(text[2:], 8)
	case hexadecimal.MatchString(text):
		return integer(text[2:], 16)
	case float.MatchString(text):
		return number(text)
	default:
		return text
	}
}

// integer is a whole number: an int64, or a float64 where it is too great for that.
func integer(digits string, base int) any {
	if value, err := strconv.ParseInt(digits, base, 64); err == nil {
		return value
	}
	if base != 10 {
		return math.MaxFloat64
	}
	return number(digits)
}

// number is an infinity where the text is out of a float64's range, as ParseFloat has it.
func number(text string) float64 {
	value, _ := strconv.ParseFloat(text, 64)
	return value
}
