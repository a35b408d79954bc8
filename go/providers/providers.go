// Package providers reads the resilience of each provider from a file, YAML or JSON (PF).
//
//	file, err := providers.Load("resilience.yaml")
//	config, err := file.Provider("zephyr")
//	facade, err := providers.NewFacade[Project](config)
//
// The file's format is that of proto/providers.schema.json, the same in every language of the library. The presets
// "zephyr" and "qtest" come with the package.
package providers

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"skidbladnir.dev/skidbladnir"
)

// Fault is one fault of a file.
type Fault struct {
	// Code is one of PF-7.
	Code string
	// Path is that of the value, as "providers.zephyr.retry.retryable_errors[2]"; "" is the whole file.
	Path string
	// Line is from 1.
	Line int
	// Value is what stands there.
	Value any
	// Allowed says in words what could stand there.
	Allowed string
}

func (f Fault) String() string {
	place := f.Path
	if place == "" {
		place = "the file"
	}
	return fmt.Sprintf("line %d: %s: %s is not allowed: %s (%s)", f.Line, place, shorten(f.Value), f.Allowed, f.Code)
}

// shorten is a value for a message, not longer than a line.
func shorten(value any) string {
	const most = 60
	text := []rune(fmt.Sprintf("%#v", value))
	if value == nil {
		text = []rune("null")
	}
	if len(text) > most {
		text = append(text[:most-3], []rune("...")...)
	}
	return string(text)
}

// FileError lists everything that is wrong with a file, in the order of its lines (PF-6).
type FileError struct {
	// Source names the file.
	Source string
	Faults []Fault
}

func (e *FileError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = e.Source + ": " + fault.String()
	}
	return strings.Join(lines, "\n")
}

// UnknownProviderError says that a provider is neither in the file nor a preset (PF-10).
type UnknownProviderError struct {
	Provider string
	// Known are the names there are, sorted.
	Known []string
}

func (e *UnknownProviderError) Error() string {
	return fmt.Sprintf("unknown provider %q; known are %s", e.Provider, strings.Join(e.Known, ", "))
}

// ErrUnknownProvider is found by errors.Is in an [UnknownProviderError].
var ErrUnknownProvider = errors.New("unknown provider")

// Is matches [ErrUnknownProvider].
func (e *UnknownProviderError) Is(target error) bool { return target == ErrUnknownProvider }

// Providers are those of a file. It does not change, and may be shared by goroutines.
type Providers struct {
	names   []string
	configs map[string]*Config
	presets map[string]*Config
}

// Load reads a provider file. A file with faults is a [FileError]; one that cannot be read is the error of os.ReadFile.
func Load(path string) (*Providers, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(data, path)
}

// Parse is as Load, from the file's bytes.
func Parse(data []byte) (*Providers, error) { return parse(data, "providers") }

func parse(data []byte, source string) (*Providers, error) {
	document := readYAML(data)
	presets := Presets()
	if len(document.faults) == 0 {
		checkContent(document, presetsDocument())
	}
	if faults := document.faults; len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return strings.Compare(a.Path, b.Path)
		})
		return nil, &FileError{Source: source, Faults: faults}
	}
	return &Providers{
		names:   document.keys["providers"],
		configs: effective(asSection(document.value), presetsDocument()),
		presets: presets.configs,
	}, nil
}

//go:embed data/presets.yaml
var presetsFile []byte

// presetsDocument is the mapping from a preset's name to its sections.
var presetsDocument = sync.OnceValue(func() section {
	return asSection(asSection(readYAML(presetsFile).value)["providers"])
})

// Presets are the providers that come with the package: zephyr and qtest (PF-4).
var Presets = sync.OnceValue(func() *Providers {
	document := readYAML(presetsFile)
	return &Providers{
		names:   document.keys["providers"],
		configs: effective(asSection(document.value), nil),
	}
})

// Names are the names of the file's providers, in its order.
func (p *Providers) Names() []string { return slices.Clone(p.names) }

// Provider is a provider of the file, or else the preset of that name, or else an [UnknownProviderError].
func (p *Providers) Provider(name string) (*Config, error) {
	if config, ok := p.configs[name]; ok {
		return config, nil
	}
	if config, ok := p.presets[name]; ok {
		return config, nil
	}
	var known []string
	for each := range p.configs {
		known = append(known, each)
	}
	for each := range p.presets {
		known = append(known, each)
	}
	slices.Sort(known)
	return nil, &UnknownProviderError{Provider: name, Known: slices.Compact(known)}
}

// NewFacade makes a facade from a provider's options, named after it. To change some of them first, take
// [Config.Options] and [skidbladnir.NewResilienceFacade].
func NewFacade[T any](config *Config) (*skidbladnir.ResilienceFacade[T], error) {
	return skidbladnir.NewResilienceFacade[T](config.Options())
}
