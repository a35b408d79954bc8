package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes the report as a table.
func (d *document) print(output io.Writer) {
	fmt.Fprintf(output, "%s, %d cores, %d rounds; ratio 1.0: %s\n\n", d.Runtime, d.CPUs, d.Rounds, d.Baseline)
	table := tabwriter.NewWriter(output, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "case\timplementation\tratio\tmin\tmax\tprocessor ns\telapsed ns\tallocs\ttarget")
	for _, each := range d.Cases {
		for i, result := range each.Results {
			r := result.(callResult)
			fmt.Fprintf(table, "%s\t%s %s\t%.3f\t%.3f\t%.3f\t%.1f\t%.1f\t%g\t%s\n",
				once(i, each.ID), r.Name, r.Version, r.Median, r.Min, r.Max, r.NS, r.ElapsedNS, r.Allocs, verdict(each, r))
		}
	}
	for _, each := range d.Memory {
		for i, result := range each.Results {
			r := result.(memoryResult)
			fmt.Fprintf(table, "%s\t%s %s\t%.0f bytes\t\t\t\t\t\t\n", once(i, each.ID), r.Name, r.Version, r.Value)
		}
	}
	_ = table.Flush() // a terminal that has gone reads no table
}

func once(i int, id string) string {
	if i > 0 {
		return ""
	}
	return id
}

func verdict(of caseResults, r callResult) string {
	switch {
	case !r.Ours || of.Target == nil:
		return ""
	case r.Median <= *of.Target:
		return "met"
	default:
		return "missed: " + of.TargetSource
	}
}
