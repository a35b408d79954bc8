package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// file is a file of the package with the places of its mutants.
type file struct {
	name, shown string
	source      []byte
	fset        *token.FileSet
	ast         *ast.File
	info        *types.Info
	pkg         *types.Package
	mutants     *[]mutant
	places      []*place
}

// place is an expression or a statement with its alternatives.
type place struct {
	start, end   int
	result       string // the expression's type; empty for a statement
	alternatives []alternative
}

type alternative struct {
	number int
	text   string
}

// expression adds a mutant that puts a text in place of an expression.
func (f *file) expression(node ast.Expr, after string) {
	of := f.info.Types[node]
	if of.Type == nil {
		of.Type = types.Typ[types.Bool] // true and false
	}
	known := true
	result := types.TypeString(types.Default(of.Type), func(other *types.Package) string {
		if other == f.pkg {
			return ""
		}
		known = known && f.imports(other)
		return other.Name()
	})
	if known && f.text(node) != after {
		f.add(node, result, after)
	}
}

// statement adds a mutant that puts a text in place of a statement.
func (f *file) statement(node ast.Stmt, after string) {
	f.add(node, "", after)
}

func (f *file) add(node ast.Node, result, after string) {
	start, end := f.span(node)
	at := slices.IndexFunc(f.places, func(p *place) bool { return p.start == start && p.end == end && p.result == result })
	if at < 0 {
		at = len(f.places)
		f.places = append(f.places, &place{start: start, end: end, result: result})
	}
	if slices.ContainsFunc(f.places[at].alternatives, func(a alternative) bool { return a.text == after }) {
		return
	}
	number := len(*f.mutants)
	f.places[at].alternatives = append(f.places[at].alternatives, alternative{number, after})
	line := f.fset.Position(node.Pos()).Line
	*f.mutants = append(*f.mutants, mutant{number, f.shown, line, start, end, f.text(node), after})
}

// render is the file with all its mutants. What is inside a place keeps its own mutants, alternatives have none.
func (f *file) render() []byte {
	type insertion struct {
		at    int
		order int
		text  string
	}
	var insertions []insertion
	for _, p := range f.places {
		before, after := p.frame()
		// Where several begin, the longest is the outermost; where several end, it is the last.
		insertions = append(insertions, insertion{p.start, len(f.source) - (p.end - p.start), before})
		insertions = append(insertions, insertion{p.end, -len(f.source) + (p.end - p.start), after})
	}
	slices.SortStableFunc(insertions, func(a, b insertion) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	var text strings.Builder
	at := 0
	for _, each := range insertions {
		text.Write(f.source[at:each.at])
		text.WriteString(each.text)
		at = each.at
	}
	text.Write(f.source[at:])
	return []byte(text.String())
}

func (p *place) frame() (before, after string) {
	var text strings.Builder
	if p.result == "" {
		for _, each := range p.alternatives {
			fmt.Fprintf(&text, "if activeMutant == %d { %s } else ", each.number, each.text)
		}
		return text.String() + "{ ", " }"
	}
	fmt.Fprintf(&text, "func() %s { switch activeMutant { ", p.result)
	for _, each := range p.alternatives {
		fmt.Fprintf(&text, "case %d: return %s; ", each.number, each.text)
	}
	return text.String() + "}; return ", " }()"
}

func (f *file) span(node ast.Node) (start, end int) {
	return f.fset.Position(node.Pos()).Offset, f.fset.Position(node.End()).Offset
}

func (f *file) text(node ast.Node) string {
	start, end := f.span(node)
	return string(f.source[start:end])
}

// imports tells whether the file has a package under its own name.
func (f *file) imports(other *types.Package) bool {
	return slices.ContainsFunc(f.ast.Imports, func(spec *ast.ImportSpec) bool {
		return spec.Name == nil && strings.Trim(spec.Path.Value, `"`) == other.Path()
	})
}
