// Package checkpoints takes the signed checkpoints of the ledger to where they
// are out of reach of whoever can change the database, and remembers them.
//
// On the server a Publisher signs the tree after commits and puts the checkpoint
// in a SecondPlace, such as a Folder on another disk; CheckStart refuses a
// database that lacks what the second place has seen. At the recipient a Witness
// keeps the newest checkpoint of every log and demands consistency.
package checkpoints

import "context"

// SecondPlace keeps checkpoints away from the database, so that a database that
// is rolled back or rewritten is noticed.
type SecondPlace interface {
	// Put makes checkpoint the newest. When it returns nil, the checkpoint
	// survives a crash; after an error it may or may not be there.
	Put(ctx context.Context, checkpoint []byte) error
	// Newest is the last checkpoint that was put; nil when there never was one.
	Newest(ctx context.Context) ([]byte, error)
}
