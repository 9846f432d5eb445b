package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/models"
)

func (a *api) accountRoutes() {
	add(a, route{method: post, path: "/setup", id: "setup", tag: "accounts", status: http.StatusCreated, public: true,
		summary: "Make the first administrator with the one-time setup code"}, a.setup)
	add(a, route{method: post, path: "/sessions", id: "sign-in", tag: "accounts", status: http.StatusCreated, public: true,
		summary: "Sign in: an API token, or a browser session as a cookie"}, a.signIn)
	add(a, route{method: get, path: "/sessions/current", id: "who-am-i", tag: "accounts",
		summary: "Show the account and token that the request came with"}, a.whoAmI)
	add(a, route{method: post, path: "/sessions/current/password", id: "change-password", tag: "accounts", status: http.StatusNoContent,
		summary: "Replace one's own password; every token and session ends"}, a.changePassword)
	add(a, route{method: remove, path: "/sessions/current", id: "sign-out", tag: "accounts", status: http.StatusNoContent,
		summary: "End the token or session that the request came with"}, a.signOut)

	add(a, route{method: get, path: "/users", id: "list-users", tag: "accounts", summary: "List accounts"}, a.listUsers)
	add(a, route{method: post, path: "/users", id: "invite-user", tag: "accounts", status: http.StatusCreated,
		summary: "Make an account and its one-time invitation code"}, a.inviteUser)
	add(a, route{method: post, path: "/users/accept", id: "accept-invitation", tag: "accounts", public: true,
		summary: "Set the password of an invited account"}, a.acceptInvitation)
	add(a, route{method: get, path: "/users/{id}", id: "show-user", tag: "accounts", summary: "Show an account"}, a.showUser)
	add(a, route{method: patch, path: "/users/{id}", id: "change-user", tag: "accounts",
		summary: "Give an account another role"}, a.changeUser)
	add(a, route{method: post, path: "/users/{id}/confirm", id: "confirm-user", tag: "accounts",
		summary: "Confirm, as a second administrator, that an account is who it says"}, a.onUser(a.Access.Confirm))
	add(a, route{method: post, path: "/users/{id}/disable", id: "disable-user", tag: "accounts",
		summary: "Shut an account out at once"}, a.onUser(a.Access.Disable))
	add(a, route{method: post, path: "/users/{id}/enable", id: "enable-user", tag: "accounts",
		summary: "Let a disabled account in again"}, a.onUser(a.Access.Enable))
	add(a, route{method: post, path: "/users/{id}/reset", id: "reset-user", tag: "accounts",
		summary: "Replace an account's password with a new invitation"}, a.resetUser)

	add(a, route{method: get, path: "/tokens", id: "list-tokens", tag: "accounts",
		summary: "List one's own tokens and sessions"}, a.listTokens)
	add(a, route{method: post, path: "/tokens", id: "create-token", tag: "accounts", status: http.StatusCreated,
		summary: "Make a further API token"}, a.createToken)
	add(a, route{method: remove, path: "/tokens/{id}", id: "revoke-token", tag: "accounts", status: http.StatusNoContent,
		summary: "Revoke one of one's own tokens"}, a.revokeToken)
}

// UserView is an account as the API shows it; exported, as schemas only flatten
// exported embedded types.
type UserView struct {
	ID          string     `json:"id"`
	Email       string     `json:"email"`
	Name        string     `json:"name"`
	Role        string     `json:"role" enum:"administrator,manager,auditor,recipient"`
	RecipientID string     `json:"recipient_id,omitempty"`
	State       string     `json:"state" enum:"invited,active,disabled"`
	Confirmed   string     `json:"confirmed" enum:"no,alone,independent" doc:"Whether a second administrator confirmed the account; alone: somebody who had a hand in it, as there were fewer than three administrators."`
	InvitedBy   string     `json:"invited_by,omitempty"`
	ConfirmedBy string     `json:"confirmed_by,omitempty"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`
	ChangedBy   []string   `json:"changed_by,omitempty" doc:"Who reset it or changed its role since the last independent confirmation."`
	CreatedAt   time.Time  `json:"created_at"`
	LastSignIn  *time.Time `json:"last_sign_in,omitempty"`
	InviteUntil *time.Time `json:"invitation_expires_at,omitempty"`
}

func viewUser(u models.User) UserView {
	v := UserView{
		ID: u.ID, Email: u.Email, Name: u.Name, Role: string(u.Role), RecipientID: u.RecipientID,
		State: string(u.State), Confirmed: "no", InvitedBy: u.InvitedBy,
		ConfirmedBy: u.ConfirmedBy, ConfirmedAt: optionalTime(u.ConfirmedAt), ChangedBy: u.ChangedBy,
		CreatedAt: u.CreatedAt, LastSignIn: optionalTime(u.LastSignIn), InviteUntil: optionalTime(u.InviteExpires),
	}
	switch {
	case u.IndependentlyConfirmed():
		v.Confirmed = "independent"
	case u.Confirmed():
		v.Confirmed = "alone"
	}
	return v
}

// optionalTime is nil for the zero time, which is then left out of the JSON.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// signedInView shows a secret this once.
type signedInView struct {
	ID        string     `json:"id" doc:"Of the token."`
	Token     string     `json:"token,omitempty" doc:"The secret, shown this once; absent for browser sessions, which get a cookie."`
	Name      string     `json:"name"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	User      UserView   `json:"user"`
}

func viewSignedIn(s access.SignedIn) signedInView {
	return signedInView{
		ID: s.Token.ID, Token: s.Secret, Name: s.Token.Name, ExpiresAt: optionalTime(s.Token.ExpiresAt), User: viewUser(s.User),
	}
}

type setupInput struct {
	Body struct {
		Code     string `json:"code" maxLength:"200"`
		Email    string `json:"email" maxLength:"300"`
		Name     string `json:"name" maxLength:"300"`
		Password string `json:"password" maxLength:"4096"`
	}
}

func (a *api) setup(ctx context.Context, _ access.Actor, in *setupInput) (*body[signedInView], error) {
	b := in.Body
	signed, err := a.Access.Setup(ctx, b.Code, access.Person{Email: b.Email, Name: b.Name, Password: b.Password})
	return respond(viewSignedIn(signed), err)
}

type signInInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"300"`
		Password string `json:"password" maxLength:"4096"`
		Name     string `json:"name,omitempty" maxLength:"300" doc:"Name of the new token."`
		Browser  bool   `json:"browser,omitempty" doc:"A session cookie instead of an API token."`
	}
}

type signInOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      signedInView
}

func (a *api) signIn(ctx context.Context, actor access.Actor, in *signInInput) (*signInOutput, error) {
	b := in.Body
	signed, err := a.Access.SignIn(ctx, actor,
		access.Credentials{Email: b.Email, Password: b.Password, Name: b.Name, Browser: b.Browser})
	if err != nil {
		return nil, err
	}
	out := &signInOutput{Body: viewSignedIn(signed)}
	if b.Browser {
		out.Body.Token = ""
		out.SetCookie = sessionCookie(signed.Secret, access.SessionLife)
	}
	return out, nil
}

// sessionCookie is the Set-Cookie value of a browser session; an empty secret
// removes the cookie.
func sessionCookie(secret string, life time.Duration) string {
	age := int(life.Seconds())
	if secret == "" {
		age = -1
	}
	return (&http.Cookie{
		Name: SessionCookie, Value: secret, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}).String()
}

type whoAmIView struct {
	UserView
	TokenID   string     `json:"token_id"`
	TokenName string     `json:"token_name"`
	ExpiresAt *time.Time `json:"token_expires_at,omitempty"`
}

func (a *api) whoAmI(ctx context.Context, actor access.Actor, _ *none) (*body[whoAmIView], error) {
	user, token, err := a.Access.Me(ctx, actor)
	return respond(whoAmIView{viewUser(user), token.ID, token.Name, optionalTime(token.ExpiresAt)}, err)
}

type signOutOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

func (a *api) signOut(ctx context.Context, actor access.Actor, _ *none) (*signOutOutput, error) {
	if err := a.Access.SignOut(ctx, actor); err != nil {
		return nil, err
	}
	return &signOutOutput{SetCookie: sessionCookie("", 0)}, nil
}

func (a *api) listUsers(ctx context.Context, actor access.Actor, in *PageInput) (*body[listOf[UserView]], error) {
	users, err := a.Access.Users(ctx, actor, in.page())
	cursor := func(u models.User) string { return models.TimeCursor(u.CreatedAt, u.ID) }
	return respond(page(users, in.page(), viewUser, cursor), err)
}

// RoleInput is a role, and the recipient that it may need.
type RoleInput struct {
	Role        string `json:"role" enum:"administrator,manager,auditor,recipient"`
	RecipientID string `json:"recipient_id,omitempty" maxLength:"64" doc:"For role recipient: the organisation the person belongs to."`
}

type inviteUserInput struct {
	Body struct {
		Email string `json:"email" maxLength:"300"`
		Name  string `json:"name" maxLength:"300"`
		RoleInput
	}
}

type invitedView struct {
	UserView
	Code string `json:"code" doc:"The one-time invitation code, shown this once."`
}

func (a *api) inviteUser(ctx context.Context, actor access.Actor, in *inviteUserInput) (*body[invitedView], error) {
	b := in.Body
	user, code, err := a.Access.Invite(ctx, actor,
		access.Invitation{Email: b.Email, Name: b.Name, Role: models.Role(b.Role), RecipientID: b.RecipientID})
	return respond(invitedView{viewUser(user), code}, err)
}

type acceptInput struct {
	Body struct {
		Code     string `json:"code" maxLength:"200"`
		Password string `json:"password" maxLength:"4096"`
	}
}

// PasswordInput is one's own password, and the next.
type PasswordInput struct {
	Present  string `json:"present" minLength:"1" maxLength:"4096" writeOnly:"true"`
	Password string `json:"password" minLength:"1" maxLength:"4096" writeOnly:"true"`
}

type passwordInput struct{ Body PasswordInput }

func (a *api) changePassword(ctx context.Context, actor access.Actor, in *passwordInput) (*struct{}, error) {
	return nil, a.Access.ChangePassword(ctx, actor, in.Body.Present, in.Body.Password)
}

func (a *api) acceptInvitation(ctx context.Context, _ access.Actor, in *acceptInput) (*body[UserView], error) {
	user, err := a.Access.Accept(ctx, in.Body.Code, in.Body.Password)
	return respond(viewUser(user), err)
}

type userInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *api) showUser(ctx context.Context, actor access.Actor, in *userInput) (*body[UserView], error) {
	user, err := a.Access.User(ctx, actor, in.ID)
	return respond(viewUser(user), err)
}

type changeUserInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body RoleInput
}

func (a *api) changeUser(ctx context.Context, actor access.Actor, in *changeUserInput) (*body[UserView], error) {
	user, err := a.Access.SetRole(ctx, actor, in.ID, models.Role(in.Body.Role), in.Body.RecipientID)
	return respond(viewUser(user), err)
}

// onUser is the use case of the acts that need nothing but the account.
func (a *api) onUser(act func(context.Context, access.Actor, string) (models.User, error)) useCase[userInput, body[UserView]] {
	return func(ctx context.Context, actor access.Actor, in *userInput) (*body[UserView], error) {
		user, err := act(ctx, actor, in.ID)
		return respond(viewUser(user), err)
	}
}

func (a *api) resetUser(ctx context.Context, actor access.Actor, in *userInput) (*body[invitedView], error) {
	user, code, err := a.Access.Reset(ctx, actor, in.ID)
	return respond(invitedView{viewUser(user), code}, err)
}

type tokenView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Kind      string     `json:"kind" enum:"api,session"`
	CreatedAt time.Time  `json:"created_at"`
	LastUsed  *time.Time `json:"last_used,omitempty" doc:"To the minute."`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewToken(t models.Token) tokenView {
	return tokenView{
		ID: t.ID, Name: t.Name, Kind: string(t.Kind), CreatedAt: t.CreatedAt,
		LastUsed: optionalTime(t.LastUsed), ExpiresAt: optionalTime(t.ExpiresAt),
	}
}

func (a *api) listTokens(ctx context.Context, actor access.Actor, in *PageInput) (*body[listOf[tokenView]], error) {
	tokens, err := a.Access.Tokens(ctx, actor, in.page())
	cursor := func(t models.Token) string { return models.TimeCursor(t.CreatedAt, t.ID) }
	return respond(page(tokens, in.page(), viewToken, cursor), err)
}

type createTokenInput struct {
	Body struct {
		Name    string `json:"name" maxLength:"300"`
		Seconds int64  `json:"expires_in,omitempty" minimum:"1" maximum:"315576000" doc:"Seconds until the token ends; absent: it has no end of its own."`
	}
}

func (a *api) createToken(ctx context.Context, actor access.Actor, in *createTokenInput) (*body[signedInView], error) {
	signed, err := a.Access.CreateToken(ctx, actor, in.Body.Name, time.Duration(in.Body.Seconds)*time.Second)
	return respond(viewSignedIn(signed), err)
}

type tokenInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *api) revokeToken(ctx context.Context, actor access.Actor, in *tokenInput) (*none, error) {
	return nil, a.Access.RevokeToken(ctx, actor, in.ID)
}
