// Command load drives the facade against a server that fails and recovers, open-loop: calls begin when they are due, however
// long others take, and their latency is counted from then. It does the same without the facade first, for comparison.
//
//	go run . -server ../../build/load/server -seconds 180
//
// It ends with status 1 when a call is not accounted for, more calls ran than the bulkhead lets, or memory grew.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"
)

// settings of a load test.
type settings struct {
	server   string
	duration time.Duration // of both runs together
	rate     int           // calls a second; 0: as many as the machine gives
	schedule string
}

func main() {
	log.SetFlags(0)
	var s settings
	flag.StringVar(&s.server, "server", "../../build/load/server", "the program that serves")
	seconds := flag.Int("seconds", 180, "duration of both runs together, 4 to 3600")
	flag.IntVar(&s.rate, "rate", 0, "calls a second; 0: a quarter of what the machine gives, at most 20000")
	flag.StringVar(&s.schedule, "schedule", "healthy:4s,failing:2s,stalling:2s,resetting:2s,recovering:2s", "of the server")
	path := flag.String("json", "go.json", "file for the results")
	flag.Parse()
	if *seconds < 4 || *seconds > 3600 {
		log.Fatalf("-seconds: %d is not allowed: 4 to 3600", *seconds)
	}
	s.duration = time.Duration(*seconds) * time.Second
	result, err := run(s)
	if err != nil {
		log.Fatal(err)
	}
	if err := save(*path, result); err != nil {
		log.Fatal(err)
	}
	result.print(os.Stdout)
	if faults := result.faults(); len(faults) > 0 {
		log.Fatal(errors.Join(faults...))
	}
}

// run measures without the facade for a third of the time, then with it.
func run(s settings) (*result, error) {
	server, err := startServer(s.server, s.schedule)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	client := newClient(server.address)
	if s.rate == 0 {
		if s.rate, err = findRate(s.server); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(os.Stderr, "%d calls a second\n", s.rate)
	guarded, err := newGuarded(client)
	if err != nil {
		return nil, err
	}
	defer guarded.facade.Close()
	r := newResult(s)
	without := &generator{name: "without the facade", rate: s.rate, duration: s.duration / 3, call: client.fetchWithin}
	with := &generator{name: "with the facade", rate: s.rate, duration: s.duration - s.duration/3, call: guarded.call}
	for _, each := range []*generator{without, with} {
		if err := server.restart(); err != nil {
			return nil, err
		}
		client.highest.Store(0)
		one := each.run()
		one.Highest = client.highest.Load()
		r.Runs = append(r.Runs, one)
	}
	return r, nil
}

func save(path string, r *result) error {
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(encoded, '\n'), 0o644)
}
