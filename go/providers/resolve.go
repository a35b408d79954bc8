package providers

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// section is a mapping of a file.
type section = map[string]any

// sections are the names of the patterns' sections.
var sections = []string{"retry", "timeout", "circuit_breaker", "bulkhead", "cache"}

// rateOptions are the options of the windows that look at rates.
var rateOptions = map[string][]string{
	"count": {"size", "minimum_calls", "failure_rate"},
	"time":  {"duration_ms", "buckets", "minimum_calls", "failure_rate"},
}

// asSection is the value as a mapping; nil, which reads as empty, when it is none.
func asSection(value any) section {
	mapping, _ := value.(section)
	return mapping
}

// effective is PF-2 and PF-3, for a file without faults.
func effective(root, presets section) map[string]*Config {
	own := asSection(root["providers"])
	configs := map[string]*Config{}
	for name := range own {
		configs[name] = &Config{name: name, sections: inherited(name, own, presets, asSection(root["defaults"]))}
	}
	return configs
}

// inherited are a provider's sections over those of what it extends; a section is nil when it is off.
func inherited(name string, own, presets, defaults section) map[string]section {
	provider := asSection(own[name])
	plain := map[string]section{}
	for _, each := range sections {
		plain[each] = section{}
	}
	parent, extends := provider["extend"].(string)
	switch {
	case !extends:
		return overlaid(overlaid(plain, defaults), provider)
	case own[parent] != nil && parent != name:
		return overlaid(inherited(parent, own, presets, defaults), provider)
	default:
		return overlaid(overlaid(plain, asSection(presets[parent])), provider)
	}
}

func overlaid(under map[string]section, over section) map[string]section {
	result := maps.Clone(under)
	for _, name := range sections {
		if value, given := over[name]; given {
			result[name] = nil
			if value != nil {
				result[name] = merged(under[name], asSection(value))
			}
		}
	}
	return result
}

// merged is option by option; a window given anew drops what is inherited and does not go with it (PF-2).
func merged(under, over section) section {
	result := section{}
	maps.Copy(result, under)
	maps.Copy(result, over)
	if window, given := over["window"]; given {
		unfit := "slow_call"
		if _, isRate := rateOptions[kindOf(window)]; isRate {
			unfit = "failure_threshold"
		}
		if _, given := over[unfit]; !given {
			delete(result, unfit)
		}
	}
	return result
}

func kindOf(window any) string {
	kind, _ := asSection(window)["kind"].(string)
	return kind
}

// checkContent reports what is wrong with the content: what the schema says, then what it cannot say.
func checkContent(d *document, presets section) {
	checkSchema(d)
	c := &content{document: d, presets: presets, reported: map[string]bool{}}
	for _, fault := range d.faults {
		c.reported[fault.Path] = true
	}
	root := asSection(d.value)
	c.providers, c.defaults = asSection(root["providers"]), asSection(root["defaults"])
	c.checkRegexes("defaults", c.defaults)
	c.checkBreaker([]layer{{"defaults", c.defaults}})
	for _, name := range d.keys["providers"] {
		c.checkRegexes("providers."+name, asSection(c.providers[name]))
		c.checkBreaker(c.layers(name))
	}
}

// content checks what the schema cannot say: inheritance, regexes, and options that exclude each other. It runs on files
// that the schema finds faults in too, so that one error lists all.
type content struct {
	*document
	providers, defaults, presets section
	reported                     map[string]bool
}

// layer is a mapping that a provider's options come from, and its path.
type layer struct {
	path     string
	sections section
}

// report reports a fault once for each place, and not where the schema has spoken.
func (c *content) report(code, path string, value any, allowed string) {
	if !c.reported[path] {
		c.reported[path] = true
		c.fault(code, path, c.line(path), value, allowed)
	}
}

// layers are those of a provider, its own first; none when extend is wrong on the way.
func (c *content) layers(name string) (layers []layer) {
	for current := name; ; {
		provider := asSection(c.providers[current])
		layers = append(layers, layer{"providers." + current, provider})
		parent, extends := provider["extend"].(string)
		_, isOwn := c.providers[parent]
		_, isPreset := c.presets[parent]
		at := "providers." + current + ".extend"
		switch {
		case !extends:
			return append(layers, layer{"defaults", c.defaults})
		case isOwn && parent != current:
			if len(layers) > len(c.providers) {
				return nil // a cycle that this provider leads into
			}
			if parent == name {
				c.report("cyclic_extend", "providers."+name+".extend", parentsOf(layers), "no way back to itself")
				return nil
			}
			current = parent
		case isPreset:
			return append(layers, layer{"", asSection(c.presets[parent])})
		case parent == current:
			c.report("cyclic_extend", at, parent, "another provider")
			return nil
		default:
			known := slices.Concat(c.keys["providers"], slices.Sorted(maps.Keys(c.presets)))
			c.report("unknown_extend", at, parent, "one of "+strings.Join(known, ", "))
			return nil
		}
	}
}

// parentsOf is the chain of a cycle, for the message.
func parentsOf(layers []layer) string {
	parents := make([]string, len(layers))
	for i, each := range layers {
		parents[i] = fmt.Sprint(each.sections["extend"])
	}
	return strings.Join(parents, " -> ")
}

func (c *content) checkRegexes(path string, sections section) {
	patterns, _ := asSection(sections["retry"])["retryable_errors"].([]any)
	for i, pattern := range patterns {
		at := fmt.Sprintf("%s.retry.retryable_errors[%d]", path, i)
		if mapping, ok := pattern.(section); ok {
			at += ".regex"
			pattern = mapping["regex"]
		} else if text, ok := pattern.(string); ok {
			pattern = nil
			if len(text) > 2 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
				pattern = text[1 : len(text)-1]
			}
		}
		if source, ok := pattern.(string); ok {
			if _, err := regexp.Compile(source); err != nil {
				c.report("regex", at, source, fmt.Sprintf("a regular expression of RE2 (%v)", err))
			}
		}
	}
}

// checkBreaker checks the effective circuit breaker of some layers; a fault is reported where the offending option is
// written.
func (c *content) checkBreaker(layers []layer) {
	breaker, places := section{}, map[string]string{}
	for _, each := range slices.Backward(layers) {
		value, given := each.sections["circuit_breaker"]
		if given && value == nil {
			breaker = section{}
		}
		breaker = merged(breaker, asSection(value))
		for option := range asSection(value) {
			places[option] = each.path + ".circuit_breaker." + option
		}
	}
	window := asSection(breaker["window"])
	kind := kindOf(window)
	if _, given := breaker["window"]; !given {
		kind = "consecutive"
	}
	allowed, isRate := rateOptions[kind]
	if !isRate && kind != "consecutive" && kind != "cumulative" {
		return // the schema's fault
	}
	for _, option := range []string{"size", "duration_ms", "buckets", "minimum_calls", "failure_rate"} {
		if value, given := window[option]; given && !slices.Contains(allowed, option) {
			c.report("conflict", places["window"]+"."+option, value, "not with the window "+kind)
		}
	}
	if value, given := breaker["failure_threshold"]; given && isRate {
		c.report("conflict", places["failure_threshold"], value, "not with the window "+kind)
	}
	if value, given := breaker["slow_call"]; given && !isRate {
		c.report("conflict", places["slow_call"], value, "only with the windows count and time")
	}
	size := numberOr(window, "size", 100)
	if kind == "count" && numberOr(window, "minimum_calls", 0) > size {
		c.report("range", places["window"]+".minimum_calls", window["minimum_calls"], fmt.Sprintf("1 to size (%v)", size))
	}
	backoff := asSection(breaker["reset_timeout_backoff"])
	reset := numberOr(breaker, "reset_timeout_ms", 30_000)
	if numberOr(backoff, "max_ms", reset) < reset {
		at := places["reset_timeout_backoff"] + ".max_ms"
		c.report("range", at, backoff["max_ms"], fmt.Sprintf("at least reset_timeout_ms (%v)", reset))
	}
}

// numberOr is a number of a section, or the default where none is given; NaN, which is never too small or too great,
// where another value is.
func numberOr(in section, name string, value float64) float64 {
	given, ok := in[name]
	if !ok {
		return value
	}
	switch given := given.(type) {
	case int64:
		return float64(given)
	case float64:
		return given
	default:
		return math.NaN()
	}
}
