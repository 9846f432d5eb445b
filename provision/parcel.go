package provision

import (
	"context"
	"time"

	"teikyo/models"
	"teikyo/provision/parcel"
)

// Parcel opens the parcel of a provision for reading, after its receipt has
// been made and verified: the gate through which every byte leaves. It does not
// ask whether the provision is still live; see Live.
//
// The Reader is safe for concurrent use and can be kept for a session:
//
//	Entries(ctx) iter.Seq2[parcel.Entry, error]   // sorted by path
//	Stat(ctx, path) (parcel.Entry, error)         // NotFound
//	Open(ctx, entry, offset, length) (io.ReadCloser, error) // length -1: to the end
func (s *Service) Parcel(ctx context.Context, prov models.Provision) (*parcel.Reader, error) {
	panic("provision: not built yet")
}

// Live says until when bytes of the provision may go out: the earliest end of
// provision, agreement, recipient and key. When one of them has come, or
// somebody ended one early, it returns an Expired error that says which.
func (s *Service) Live(ctx context.Context, prov models.Provision, now time.Time) (time.Time, error) {
	panic("provision: not built yet")
}
