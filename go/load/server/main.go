// Command server is the dependency of the load tests of every language: a plain HTTP server, on loopback only, that is healthy,
// fails, stalls, resets connections and recovers by a schedule.
//
// It prints its address as the first line of its standard output ("http://127.0.0.1:40123"), and ends when its standard
// input closes, at the latest after -lifetime. "POST /-/start" begins the schedule and the counts anew, "GET /-/status" tells the phase
// and what became of the requests since then; every other request is answered as the phase says.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	port := flag.Int("port", 0, "port on 127.0.0.1; 0: any that is free")
	text := flag.String("schedule", "healthy:4s,failing:2s,stalling:2s,resetting:2s,recovering:2s", "phases, repeated")
	latency := flag.Duration("latency", 0, "of an answer while healthy")
	stall := flag.Duration("stall", time.Minute, "longest time that a request stalls")
	lifetime := flag.Duration("lifetime", 30*time.Minute, "the server ends after this time, whatever happens")
	flag.Parse()
	schedule, err := parseSchedule(*text)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
		os.Exit(0)
	}()
	time.AfterFunc(*lifetime, func() { log.Fatalf("ended after %v", *lifetime) })
	log.Fatal(http.Serve(listener, newServer(schedule, *latency, *stall).handler()))
}
