package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"teikyo/database/dbtest"
)

// benchTB lets the servers that tests start run outside a test.
type benchTB struct {
	testing.TB
	failed  error
	cleanup []func()
}

func (tb *benchTB) Helper()                  {}
func (tb *benchTB) Context() context.Context { return context.Background() }
func (tb *benchTB) Cleanup(f func())         { tb.cleanup = append(tb.cleanup, f) }
func (tb *benchTB) Error(args ...any)        { tb.failed = errors.New(fmt.Sprint(args...)) }
func (tb *benchTB) Skip(args ...any)         { panic(errors.New(fmt.Sprint(args...))) }
func (tb *benchTB) Fatal(args ...any)        { panic(errors.New(fmt.Sprint(args...))) }
func (tb *benchTB) Fatalf(format string, args ...any) {
	panic(fmt.Errorf(format, args...))
}

// end ends what was started, the last first.
func (tb *benchTB) end() error {
	for _, f := range slices.Backward(tb.cleanup) {
		f()
	}
	return tb.failed
}

// startPostgres starts a PostgreSQL server, which syncs every commit, and gives
// the URL of a new database in it.
func startPostgres() (url string, stop func() error, err error) {
	tb := &benchTB{}
	defer func() {
		if failure, ok := recover().(error); ok {
			err = errors.Join(failure, tb.end())
		}
	}()
	cluster := dbtest.LastingCluster(tb)
	return cluster.Database(tb), tb.end, nil
}
