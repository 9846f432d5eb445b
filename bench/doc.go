// Command bench measures the program against named peers in the same run, and
// prints the ratios beside the absolute figures:
//
//	go run ./bench                       everything, some minutes and 8 GB of disk
//	go run ./bench -only ledger,download some parts
//	go run ./bench -only nodes           two nodes against one on PostgreSQL, with a profile
//	go run ./bench -only pages -postgres pages of a server on PostgreSQL
//	go run ./bench -quick                small sizes: does it still work?
//
// A figure is a median of several rounds in which peer and program take turns to
// go first. The peers are tee, sha256sum and age in a pipe, nginx, and bare
// transactions of SQLite. docs/benchmarks.md holds results and says what each
// line means.
package main
