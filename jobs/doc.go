// Package jobs does the work of the durable queue: it takes jobs whose time has
// come, holds each by a lease that it extends while the work goes on, and repeats
// what failed with growing pauses until it succeeds or its last attempt failed.
//
// Work is done at least once: a worker may die after it has done something and
// before it has said so. Rows and their lease are in package database, the kinds
// of work in the packages that declare a Worker.
package jobs
