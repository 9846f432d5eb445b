// Package audit draws samples of provisions and gathers the evidence for them;
// the form of a pack and its check stand in package evidence.
package audit
