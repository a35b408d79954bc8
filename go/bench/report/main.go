// Command report runs the benchmarks of this module in rounds, each a process in which all implementations run one after
// another, and writes what they measured: as text for benchstat, as JSON, and as a table.
//
//	go run ./report -rounds 15 -json go.json -text go.txt
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 15, "rounds; 0: reads again what was measured before")
	benchtime := flag.String("benchtime", "30ms", "time of each benchmark in each round")
	jsonPath := flag.String("json", "go.json", "file for the results")
	textPath := flag.String("text", "go.txt", "file for what benchstat reads")
	flag.Parse()
	if *rounds > 0 {
		if err := measure(*textPath, *rounds, *benchtime); err != nil {
			log.Fatal(err)
		}
	}
	report, err := evaluate(*textPath)
	if err != nil {
		log.Fatal(err)
	}
	if err := save(*jsonPath, report); err != nil {
		log.Fatal(err)
	}
	report.print(os.Stdout)
}

// measure writes the output of all benchmarks to a file.
func measure(path string, rounds int, benchtime string) error {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	program := filepath.Join(folder, "bench.test")
	if err := command(os.Stderr, "go", "test", "-c", "-o", program, "."); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := os.Create(path)
	if err != nil {
		return err
	}
	defer text.Close()
	run := func(arguments ...string) error {
		return command(text, program, append([]string{"-test.run=^$", "-test.benchtime=" + benchtime}, arguments...)...)
	}
	fmt.Fprintln(os.Stderr, "memory")
	if err := run("-test.bench=Memory"); err != nil {
		return err
	}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		fmt.Fprintf(text, "round: %d\n", round)
		if err := run("-test.bench=Calls|Rejections|ThreeFailures|Windows"); err != nil {
			return err
		}
		if err := run("-test.bench=Contention", "-test.cpu=1,2,8"); err != nil {
			return err
		}
	}
	return text.Close()
}

func command(output io.Writer, name string, arguments ...string) error {
	c := exec.Command(name, arguments...)
	c.Stdout, c.Stderr = output, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", name, arguments, err)
	}
	return nil
}

func save(path string, report any) error {
	encoded, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(encoded, '\n'), 0o644)
}
