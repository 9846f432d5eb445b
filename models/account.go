package models

import (
	"slices"
	"time"
)

// Role is what an account may do; access.Can holds the meaning.
type Role string

// The roles. System is the program itself (sweeps, expiry, demo set-up) and is
// never given to an account.
const (
	Administrator Role = "administrator"
	Manager       Role = "manager"
	Auditor       Role = "auditor"
	RecipientUser Role = "recipient"
	System        Role = "system"
)

// Roles lists the roles that an account can have.
func Roles() []Role { return []Role{Administrator, Manager, Auditor, RecipientUser} }

// MayApprove reports whether accounts of the role decide about other people's
// requests, and so need the confirmation of a second administrator.
func (r Role) MayApprove() bool { return r == Administrator || r == Manager }

// UserState is the state of an account.
type UserState string

// The states of an account.
const (
	UserInvited  UserState = "invited"
	UserActive   UserState = "active"
	UserDisabled UserState = "disabled"
)

// User is an account. Secrets are hashes only.
type User struct {
	ID           string
	Email        string // lower case, unique
	Name         string
	Role         Role
	RecipientID  string // set for role recipient only
	State        UserState
	PasswordHash string // argon2id, PHC string; empty until accepted

	InviteHash    string    // SHA-256 of the newest one-time code, used or not
	InviteExpires time.Time // zero once it was used

	// Who touched this account: independence of two people is decided from it
	// (DESIGN decision 18).
	InvitedBy     string
	ChangedBy     []string // who reset it or changed its role since the last independent confirmation
	ConfirmedBy   string
	ConfirmedAt   time.Time
	SoleConfirmed bool // by itself, its inviter or somebody in ChangedBy: fewer than three administrators existed

	CreatedAt  time.Time
	LastSignIn time.Time
}

// TouchedBy reports whether that person invited the account, reset it or
// changed its role.
func (u User) TouchedBy(id string) bool {
	return id != "" && (u.InvitedBy == id || slices.Contains(u.ChangedBy, id))
}

// Confirmed reports whether any administrator confirmed the account.
func (u User) Confirmed() bool { return u.ConfirmedBy != "" }

// IndependentlyConfirmed reports whether an administrator confirmed it who had
// no hand in it.
func (u User) IndependentlyConfirmed() bool { return u.Confirmed() && !u.SoleConfirmed }

// SignInDelay counts the attempts to sign in from one address, at one account,
// or at one account from one address that it is used to.
type SignInDelay struct {
	Key          string
	Failures     int       // attempts that did not succeed; they leak away with time
	Since        time.Time // from when on the next one leaks
	Until        time.Time // no attempt before
	TrustedUntil time.Time // account and address belong together until then
}

// Token is an API token or a browser session; the secret itself is shown once.
type Token struct {
	ID        string
	UserID    string
	Kind      TokenKind
	Name      string
	Hash      string // SHA-256, hex
	CreatedAt time.Time
	LastUsed  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

// TokenKind tells API tokens from browser sessions.
type TokenKind string

// The kinds of token.
const (
	APIToken       TokenKind = "api"
	BrowserSession TokenKind = "session"
)

// Independence says whether two people who decided together are shown to be
// independent of each other; it is part of every record made by two people.
type Independence string

// The two answers.
const (
	IndependenceShown    Independence = "shown"
	IndependenceNotShown Independence = "not shown"
)
