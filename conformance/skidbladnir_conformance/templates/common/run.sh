#!/bin/sh
# Replays the catalogue against a driver: sh run.sh './my-driver' [further options of `conformance run`]
# Needs the command `conformance`. Exits with 0 only when all is well.
set -eu
here=$(dirname "$0")
driver=$1
shift
mkdir -p build
conformance run --exec "$driver" --known-failures "$here/known-failures.yaml" \
  --junit build/conformance.xml --markdown build/conformance.md \
  --html build/conformance.html --badge build/conformance.svg "$@"
