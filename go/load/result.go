package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// result is the JSON.
type result struct {
	Language string      `json:"language"`
	Runtime  string      `json:"runtime"`
	CPUs     int         `json:"cpus"`
	Rate     int         `json:"rate"`
	Schedule string      `json:"schedule"`
	Limit    int64       `json:"bulkhead_limit"`
	Runs     []runResult `json:"runs"`
}

// runResult is one run. Its percentiles are milliseconds since a call was due.
type runResult struct {
	Name     string             `json:"name"`
	Seconds  float64            `json:"seconds"`
	Issued   int64              `json:"issued"`
	Outcomes map[string]int64   `json:"outcomes"`
	Answered map[string]float64 `json:"answered_ms"`
	All      map[string]float64 `json:"all_ms"`
	Highest  int64              `json:"highest_concurrency"`
	Memory   []sample           `json:"memory"`
}

func newResult(s settings) *result {
	return &result{
		Language: "go", Runtime: runtime.Version(), CPUs: runtime.NumCPU(), Rate: s.rate, Schedule: s.schedule, Limit: slots,
	}
}

var percentiles = []struct {
	name  string
	value float64
}{{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}}

func percentilesOf(h *hdrhistogram.Histogram) map[string]float64 {
	all := map[string]float64{}
	for _, each := range percentiles {
		all[each.name] = float64(h.ValueAtQuantile(each.value)) / 1000
	}
	return all
}

// faults are what must not be.
func (r *result) faults() (all []error) {
	for _, each := range r.Runs {
		var ended int64
		for count := range maps.Values(each.Outcomes) {
			ended += count
		}
		if ended != each.Issued {
			all = append(all, fmt.Errorf("%s: %d calls were issued, %d are accounted for", each.Name, each.Issued, ended))
		}
	}
	guarded := r.Runs[len(r.Runs)-1]
	if guarded.Highest > r.Limit {
		all = append(all, fmt.Errorf("%d calls ran at once, the bulkhead's limit is %d", guarded.Highest, r.Limit))
	}
	const slack = 4 << 20
	if first, last := growth(guarded.Memory); last > first+first/4+slack {
		all = append(all, fmt.Errorf("memory grew from %d to %d bytes", first, last))
	}
	return all
}

func (r *result) print(output io.Writer) {
	fmt.Fprintf(output, "%s, %d cores; %d calls a second, open-loop; server: %s\n\n", r.Runtime, r.CPUs, r.Rate, r.Schedule)
	table := tabwriter.NewWriter(output, 0, 0, 2, ' ', 0)
	row := func(title string, cell func(runResult) string) {
		fmt.Fprint(table, title)
		for _, each := range r.Runs {
			fmt.Fprint(table, "\t", cell(each))
		}
		fmt.Fprintln(table)
	}
	row("", func(one runResult) string { return one.Name })
	row("seconds", func(one runResult) string { return fmt.Sprintf("%.0f", one.Seconds) })
	row("issued", func(one runResult) string { return fmt.Sprint(one.Issued) })
	outcomes := map[string]bool{}
	for _, each := range r.Runs {
		for outcome := range each.Outcomes {
			outcomes[outcome] = true
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		row("  "+outcome, func(one runResult) string { return fmt.Sprint(one.Outcomes[outcome]) })
	}
	for _, each := range percentiles {
		row("answered, "+each.name+" ms", func(one runResult) string { return fmt.Sprintf("%.1f", one.Answered[each.name]) })
	}
	for _, each := range percentiles {
		row("all calls, "+each.name+" ms", func(one runResult) string { return fmt.Sprintf("%.1f", one.All[each.name]) })
	}
	row("at once, at most", func(one runResult) string { return fmt.Sprint(one.Highest) })
	row("memory, first and last third, KiB", func(one runResult) string {
		first, last := growth(one.Memory)
		return fmt.Sprintf("%d, %d", first>>10, last>>10)
	})
	row("goroutines at the end", func(one runResult) string { return fmt.Sprint(one.Memory[len(one.Memory)-1].Goroutines) })
	_ = table.Flush() // a terminal that has gone reads no table
}
