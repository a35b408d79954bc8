package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"skidbladnir.dev/skidbladnir"
)

// Names that the benchmarks give to implementations.
const (
	ours     = "skidbladnir"
	bareCall = "bare"
)

// peers are those that ratios are to: the better one in each round is 1.0.
var peers = []string{"gobreaker", "failsafe-go"}

// measurement is what one round says of one implementation.
type measurement struct {
	processor, passed float64 // nanoseconds of a call
	allocations       float64
}

// measured is everything, by case ("breaker", "contended-breaker-8"), round and implementation.
type measured struct {
	versions versions
	rounds   int
	calls    map[string]map[int]map[string]measurement
	names    map[string][]string // implementations of a case or of a kind of memory, in the order measured
	memory   map[string]map[string]float64
}

var nameOfBenchmark = regexp.MustCompile(`/(case|memory)=([^/]+)/impl=([^/]+?)(?:-(\d+))?$`)

// read parses what the benchmarks wrote.
func read(path string) (*measured, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all := &measured{
		calls: map[string]map[int]map[string]measurement{}, names: map[string][]string{}, memory: map[string]map[string]float64{},
	}
	reader := benchfmt.NewReader(file, path)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, record
		case *benchfmt.Result:
			if err := all.add(record); err != nil {
				return nil, err
			}
		}
	}
	return all, reader.Err()
}

func (m *measured) add(result *benchfmt.Result) error {
	parts := nameOfBenchmark.FindStringSubmatch(result.Name.String())
	if parts == nil {
		return fmt.Errorf("a benchmark without case or memory: %s", result.Name)
	}
	id, name := parts[2], parts[3]
	if parts[1] == "memory" {
		value, _ := result.Value("bytes/each")
		inner(m.memory, id)[name] = value
		m.note(id, name)
		return nil
	}
	if strings.HasPrefix(id, "contended-") {
		id += "-" + or(parts[4], "1")
	}
	round, err := strconv.Atoi(result.GetConfig("round"))
	if err != nil {
		return fmt.Errorf("%s: which round? %w", result.Name, err)
	}
	processor, _ := result.Value("cpu-sec/op")
	passed, _ := result.Value("sec/op")
	allocations, _ := result.Value("allocs/op")
	if m.calls[id] == nil {
		m.calls[id] = map[int]map[string]measurement{}
	}
	inner(m.calls[id], round)[name] = measurement{processor * 1e9, passed * 1e9, allocations}
	m.rounds = max(m.rounds, round+1)
	m.note(id, name)
	return nil
}

func (m *measured) note(id, name string) {
	if !slices.Contains(m.names[id], name) {
		m.names[id] = append(m.names[id], name)
	}
}

// quantity is a number that a round gives, if it does.
type quantity func(round int) (value float64, ok bool)

// sorted are the values of a quantity over all rounds.
func (m *measured) sorted(q quantity) []float64 {
	var values []float64
	for round := range m.rounds {
		if value, ok := q(round); ok {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

// baseline is the processor time of the better peer in a round, or where there is none that of a bare call.
func baseline(round map[string]measurement) (float64, bool) {
	best := math.Inf(1)
	for _, name := range peers {
		if peer, ok := round[name]; ok {
			best = min(best, peer.processor)
		}
	}
	if math.IsInf(best, 1) {
		bare, ok := round[bareCall]
		return bare.processor, ok
	}
	return best, true
}

// document is the JSON, the same in all languages but for what Go alone has.
type document struct {
	Language string        `json:"language"`
	Runtime  string        `json:"runtime"`
	CPUs     int           `json:"cpus"`
	Rounds   int           `json:"rounds"`
	Baseline string        `json:"baseline"`
	Cases    []caseResults `json:"cases"`
	Memory   []caseResults `json:"memory"`
}

type caseResults struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Unit         string   `json:"unit"`
	Target       *float64 `json:"target"`
	TargetSource string   `json:"target_source"`
	BareNS       float64  `json:"bare_ns,omitempty"` // median processor time of a bare call
	Results      []any    `json:"results"`
}

// callResult is one implementation of a case: ratios, and medians of the nanoseconds of processor time, of those that
// passed, and of the allocations.
type callResult struct {
	Name      string  `json:"name"`
	Version   string  `json:"version"`
	Ours      bool    `json:"ours"`
	Median    float64 `json:"median"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	NS        float64 `json:"ns"`
	ElapsedNS float64 `json:"elapsed_ns"`
	Allocs    float64 `json:"allocs"`
}

type memoryResult struct {
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Ours    bool    `json:"ours"`
	Value   float64 `json:"value"`
}

func evaluate(path string) (*document, error) {
	all, err := read(path)
	if err != nil {
		return nil, err
	}
	if all.versions, err = readVersions(); err != nil {
		return nil, err
	}
	d := &document{
		Language: "go",
		Runtime:  runtime.Version(),
		CPUs:     runtime.NumCPU(),
		Rounds:   all.rounds,
		Baseline: "the better of gobreaker and failsafe-go in the same round, by processor time",
	}
	for _, each := range titles {
		if !strings.HasPrefix(each.id, "contended-") {
			d.Cases = append(d.Cases, all.ratios(each.id, each.title, each.target))
			continue
		}
		for _, goroutines := range []string{"1", "2", "8"} {
			title := fmt.Sprintf("%s: goroutines: %s", each.title, goroutines)
			d.Cases = append(d.Cases, all.ratios(each.id+"-"+goroutines, title, each.target))
		}
		d.Cases = append(d.Cases, all.growth(each.id, each.title))
	}
	for _, each := range memoryTitles {
		results := caseResults{ID: each.id, Title: each.title, Unit: "bytes"}
		for _, name := range all.names[each.id] {
			value := all.memory[each.id][name]
			results.Results = append(results.Results, memoryResult{displayed(name), all.versions.of(name), isOurs(name), math.Round(value)})
		}
		d.Memory = append(d.Memory, results)
	}
	return d, nil
}

// ratios compares each implementation with the better peer.
func (m *measured) ratios(id, title string, asked *target) caseResults {
	return m.compare(id, title, asked, func(name string) quantity {
		return func(round int) (float64, bool) {
			base, ok := baseline(m.calls[id][round])
			return m.calls[id][round][name].processor / base, ok
		}
	})
}

// growth compares 8 goroutines with one: the processor time of a call, over the cores that 8 goroutines have.
func (m *measured) growth(id, title string) caseResults {
	cores := float64(min(8, runtime.NumCPU()))
	title = fmt.Sprintf("%s: time of a call, 8 goroutines on %v cores (1.0: one goroutine)", title, cores)
	results := m.compare(id+"-8", title, scaling, func(name string) quantity {
		return func(round int) (float64, bool) {
			one, ok := m.calls[id+"-1"][round][name]
			return m.calls[id+"-8"][round][name].processor / one.processor / cores, ok
		}
	})
	results.ID = "scaling-" + strings.TrimPrefix(id, "contended-")
	return results
}

func (m *measured) compare(id, title string, asked *target, ratioOf func(name string) quantity) caseResults {
	results := caseResults{ID: id, Title: title, Unit: "ratio"}
	if asked != nil {
		results.Target, results.TargetSource = &asked.most, asked.source
	}
	for _, name := range m.names[id] {
		of := func(part func(measurement) float64) float64 {
			return rounded(median(m.sorted(func(round int) (float64, bool) {
				one, ok := m.calls[id][round][name]
				return part(one), ok
			})))
		}
		processor := of(func(one measurement) float64 { return one.processor })
		if name == bareCall {
			results.BareNS = processor
			continue
		}
		ratios := m.sorted(ratioOf(name))
		results.Results = append(results.Results, callResult{
			Name:      displayed(name),
			Version:   m.versions.of(name),
			Ours:      isOurs(name),
			Median:    rounded(median(ratios)),
			Min:       rounded(ratios[0]),
			Max:       rounded(ratios[len(ratios)-1]),
			NS:        processor,
			ElapsedNS: of(func(one measurement) float64 { return one.passed }),
			Allocs:    of(func(one measurement) float64 { return one.allocations }),
		})
	}
	return results
}

// modules are those that implementations come from.
var modules = map[string]string{
	"gobreaker":          "github.com/sony/gobreaker/v2",
	"failsafe-go":        "github.com/failsafe-go/failsafe-go",
	"cenkalti_backoff":   "github.com/cenkalti/backoff/v5",
	"go-resiliency":      "github.com/eapache/go-resiliency",
	"semaphore.Weighted": "golang.org/x/sync",
	"singleflight":       "golang.org/x/sync",
}

// versions are those of the modules of the build.
type versions map[string]string

func readVersions() (versions, error) {
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m all: %w", err)
	}
	all := versions{}
	for line := range strings.Lines(string(output)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[module] = strings.TrimPrefix(version, "v")
	}
	return all, nil
}

// of is the version of an implementation; that of Go, where it is the standard library's.
func (v versions) of(name string) string {
	if isOurs(name) {
		return skidbladnir.Version
	}
	if module, ok := modules[name]; ok {
		return v[module]
	}
	return strings.TrimPrefix(runtime.Version(), "go")
}

// displayed is the name of an implementation as people read it; those of benchmarks have no spaces.
func displayed(name string) string {
	switch name {
	case ours + "_facade":
		return ours + " (facade)"
	case "by_hand":
		return "by hand"
	case "cenkalti_backoff":
		return "cenkalti/backoff"
	default:
		return name
	}
}

func isOurs(name string) bool { return strings.HasPrefix(name, ours) }

func median(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func rounded(value float64) float64 { return math.Round(value*1000) / 1000 }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func inner[K comparable, V any, I comparable](outer map[K]map[I]V, key K) map[I]V {
	if outer[key] == nil {
		outer[key] = map[I]V{}
	}
	return outer[key]
}
