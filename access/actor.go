package access

import "teikyo/models"

// Actor is who asks: an account through one of its tokens or sessions. The
// zero Actor is somebody who is not signed in.
type Actor struct {
	UserID      string
	Name        string
	Role        models.Role
	RecipientID string // set for role recipient
	TokenID     string // token or session it came with
	Address     string // client address, without port
}

// SystemActor is the program itself: sweeps, expiry and other work that no
// person asked for.
func SystemActor() Actor { return Actor{UserID: "system", Name: "system", Role: models.System} }

// SignedIn reports whether the actor is known.
func (a Actor) SignedIn() bool { return a.UserID != "" }
