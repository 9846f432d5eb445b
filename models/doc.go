// Package models is the shared vocabulary of the program: the types, states,
// allowed transitions, codes and error kinds that every other package speaks.
// It holds no behaviour beyond checking those words, imports the standard
// library only, and its types are never bound to JSON or forms: the edges
// (package handlers, package database) have their own shapes.
package models
