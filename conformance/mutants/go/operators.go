package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strconv"
)

var swapped = map[token.Token][]token.Token{
	token.LSS:  {token.LEQ, token.GEQ},
	token.LEQ:  {token.LSS, token.GTR},
	token.GTR:  {token.GEQ, token.LEQ},
	token.GEQ:  {token.GTR, token.LSS},
	token.EQL:  {token.NEQ},
	token.NEQ:  {token.EQL},
	token.LAND: {token.LOR},
	token.LOR:  {token.LAND},
	token.ADD:  {token.SUB},
	token.SUB:  {token.ADD},
	token.MUL:  {token.QUO},
	token.QUO:  {token.MUL},
	token.REM:  {token.MUL},
	token.AND:  {token.OR},
	token.OR:   {token.AND},
	token.SHL:  {token.SHR},
	token.SHR:  {token.SHL},
}

var swappedAssign = map[token.Token]token.Token{
	token.ADD_ASSIGN: token.SUB_ASSIGN,
	token.SUB_ASSIGN: token.ADD_ASSIGN,
	token.MUL_ASSIGN: token.QUO_ASSIGN,
	token.QUO_ASSIGN: token.MUL_ASSIGN,
	token.OR_ASSIGN:  token.AND_ASSIGN,
	token.AND_ASSIGN: token.OR_ASSIGN,
}

// walk finds the mutants of a file.
func (f *file) walk() {
	for _, decl := range f.ast.Decls {
		ast.Inspect(decl, f.visit)
	}
}

func (f *file) visit(node ast.Node) bool {
	if expr, ok := node.(ast.Expr); ok && f.isComposedConstant(expr) {
		f.constant(expr)
		return false
	}
	switch node := node.(type) {
	case *ast.GenDecl:
		// Imports and types are no behaviour; a constant cannot be switched, what uses it can.
		return node.Tok == token.VAR
	case *ast.ArrayType:
		return false // its length is a constant
	case *ast.BlockStmt:
		f.statements(node.List)
	case *ast.CaseClause:
		f.statements(node.Body)
		f.cases(node.List)
	case *ast.CommClause:
		f.statements(node.Body)
	case *ast.IfStmt:
		f.fixed(node.Cond, "true", "false")
		if node.Else == nil {
			f.returns(node.Body.List)
		}
	case *ast.ForStmt:
		f.fixed(node.Cond, "false")
	case *ast.BinaryExpr:
		f.binary(node)
	case *ast.UnaryExpr:
		if node.Op == token.NOT || node.Op == token.SUB {
			f.expression(node, f.text(node.X))
		}
	case *ast.BasicLit:
		f.literal(node)
	case *ast.Ident:
		if object := f.info.Uses[node]; object != nil && object.Parent() == types.Universe {
			switch node.Name {
			case "true":
				f.expression(node, "false")
			case "false":
				f.expression(node, "true")
			}
		}
	case *ast.KeyValueExpr:
		if _, constant := node.Key.(*ast.BasicLit); !constant {
			return true
		}
		ast.Inspect(node.Value, f.visit)
		return false
	}
	return true
}

// isComposedConstant tells of an expression like -1 and 5*time.Second, whose parts have no type of their own.
func (f *file) isComposedConstant(expr ast.Expr) bool {
	switch expr.(type) {
	case *ast.UnaryExpr, *ast.BinaryExpr, *ast.ParenExpr:
		return f.info.Types[expr].Value != nil
	default:
		return false
	}
}

func (f *file) constant(expr ast.Expr) {
	switch value := f.info.Types[expr].Value; value.Kind() {
	case constant.Int, constant.Float:
		f.expression(expr, "2 * ("+f.text(expr)+")")
	case constant.String:
		f.expression(expr, strconv.Quote(constant.StringVal(value)+"XX"))
	}
}

// fixed is a condition that always has one value.
func (f *file) fixed(condition ast.Expr, values ...string) {
	if condition == nil {
		return
	}
	for _, value := range values {
		f.expression(condition, value)
	}
}

// cases are those of a switch: the conditions of one without a tag are fixed, a text of one with a tag is never met.
func (f *file) cases(list []ast.Expr) {
	for _, each := range list {
		of := f.info.Types[each]
		if !of.IsValue() {
			continue
		}
		basic, ok := of.Type.Underlying().(*types.Basic)
		switch {
		case !ok:
		case basic.Info()&types.IsBoolean != 0:
			f.fixed(each, "true", "false")
		case basic.Info()&types.IsString != 0:
			f.expression(each, `"never"`)
		}
	}
}

func (f *file) binary(node *ast.BinaryExpr) {
	left, right := f.text(node.X), f.text(node.Y)
	if basic, ok := f.info.Types[node.X].Type.Underlying().(*types.Basic); ok && basic.Info()&types.IsString != 0 && node.Op == token.ADD {
		f.expression(node, left)
		return
	}
	for _, op := range swapped[node.Op] {
		f.expression(node, left+" "+op.String()+" "+right)
	}
}

func (f *file) literal(node *ast.BasicLit) {
	value := f.info.Types[node].Value
	if value == nil {
		return // the path of an import, a tag
	}
	switch node.Kind {
	case token.INT:
		f.expression(node, constant.BinaryOp(constant.ToInt(value), token.ADD, constant.MakeInt64(1)).ExactString())
	case token.FLOAT:
		f.expression(node, node.Value+" + 1")
	case token.STRING:
		f.expression(node, strconv.Quote(constant.StringVal(value)+"XX"))
	}
}

// statements are left out, or do the reverse. Those at the head of an `if` or `for` are not of a list.
func (f *file) statements(list []ast.Stmt) {
	for _, each := range list {
		switch statement := each.(type) {
		case *ast.ExprStmt:
			if call, ok := statement.X.(*ast.CallExpr); ok {
				if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" {
					continue // a function may end with it
				}
			}
			f.statement(statement, "")
		case *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt:
			f.statement(statement, "")
		case *ast.IncDecStmt:
			f.statement(statement, "")
			reverse := map[token.Token]string{token.INC: "--", token.DEC: "++"}[statement.Tok]
			f.statement(statement, f.text(statement.X)+reverse)
		case *ast.AssignStmt:
			if statement.Tok == token.DEFINE {
				continue
			}
			f.statement(statement, "")
			if reverse, ok := swappedAssign[statement.Tok]; ok && f.isNumber(statement.Lhs[0]) {
				f.statement(statement, f.text(statement.Lhs[0])+" "+reverse.String()+" "+f.text(statement.Rhs[0]))
			}
		case *ast.BranchStmt:
			if statement.Tok == token.BREAK || statement.Tok == token.CONTINUE {
				f.statement(statement, "")
			}
		}
	}
}

// returns are those of an `if` without `else`, where the function goes on without them.
func (f *file) returns(list []ast.Stmt) {
	for _, each := range list {
		if _, ok := each.(*ast.ReturnStmt); ok {
			f.statement(each, "")
		}
	}
}

func (f *file) isNumber(expr ast.Expr) bool {
	basic, ok := f.info.Types[expr].Type.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsNumeric != 0
}
