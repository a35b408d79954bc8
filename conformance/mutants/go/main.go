// Command mutants puts all mutants of the Go package into copies of its files, and lists them as JSON:
//
//	go run . OUT ../../../go . ./providers
//
// The copies are compiled in place of the files with `go build -overlay OUT/overlay.json`; SKIDBLADNIR_MUTANT then tells
// the program which mutant to be. No tool does this: those for Go build the program once for each mutant.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

const switchFile = `package %s

import (
	"os"
	"strconv"
)

var activeMutant = func() int {
	number, err := strconv.Atoi(os.Getenv("SKIDBLADNIR_MUTANT"))
	if err != nil {
		return -1
	}
	return number
}()
`

// mutant is one of the list; Start and End are bytes of the file.
type mutant struct {
	Number int    `json:"number"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Start  int    `json:"start"`
	End    int    `json:"end"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: mutants OUT MODULE PACKAGE...")
	}
	mutants, err := instrument(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(mutants); err != nil {
		log.Fatal(err)
	}
}

func instrument(out, module string, patterns []string) ([]mutant, error) {
	root, err := filepath.Abs(module)
	if err != nil {
		return nil, err
	}
	packages, exports, err := list(root, patterns)
	if err != nil {
		return nil, err
	}
	mutants := []mutant{}
	overlay := map[string]string{}
	for _, p := range packages {
		files, err := check(p, filepath.Dir(root), exports)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			f.mutants = &mutants
			f.walk()
			path := filepath.Join(p.Dir, f.name)
			if overlay[path], err = write(out, p.ImportPath, f.name, f.render()); err != nil {
				return nil, err
			}
		}
		content := fmt.Appendf(nil, switchFile, files[0].ast.Name.Name)
		if overlay[filepath.Join(p.Dir, "active_mutant.go")], err = write(out, p.ImportPath, "active_mutant.go", content); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	return mutants, os.WriteFile(filepath.Join(out, "overlay.json"), data, 0o644)
}

// list finds the packages, and the compiled form of everything they import.
func list(module string, patterns []string) ([]listed, map[string]string, error) {
	command := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly"}, patterns...)...)
	command.Dir = module
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			return packages, exports, nil
		} else if err != nil {
			return nil, nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			packages = append(packages, p)
		}
	}
}

// check parses and type-checks a package. Its files are listed by their paths from a folder.
func check(p listed, from string, exports map[string]string) ([]*file, error) {
	fset := token.NewFileSet()
	var files []*file
	var trees []*ast.File
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	for _, name := range p.GoFiles {
		source, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		shown, err := filepath.Rel(from, filepath.Join(p.Dir, name))
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
		files = append(files, &file{name: name, shown: filepath.ToSlash(shown), source: source, fset: fset, ast: tree, info: info})
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
	checked, err := config.Check(p.ImportPath, fset, trees, info)
	for _, f := range files {
		f.pkg = checked
	}
	return files, err
}

func write(out, folder, name string, content []byte) (string, error) {
	path, err := filepath.Abs(filepath.Join(out, filepath.FromSlash(folder), name))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o644)
}
