package access

import "teikyo/models"

// Act is something that a person can do to an object. Its words appear in
// denials, so that people know what to ask for.
type Act string

// The acts, by the thing they are done to.
const (
	ReadUsers     Act = "read accounts"
	InviteUser    Act = "invite an account"
	ConfirmUser   Act = "confirm an account"
	ChangeUser    Act = "change an account"
	ManageOwnAuth Act = "manage one's own tokens and sessions"

	ReadDataset     Act = "read datasets"
	RegisterDataset Act = "register datasets"
	WithdrawDataset Act = "withdraw datasets"
	DestroyDataset  Act = "destroy datasets"
	RequestWaiver   Act = "request a waiver"
	ApproveWaiver   Act = "approve a waiver"

	ReadRecipient   Act = "read the recipient"
	ApplyRecipient  Act = "enter a recipient"
	UpdateRecipient Act = "update the recipient"
	DecideRecipient Act = "decide about a recipient"
	AddAgreement    Act = "add an agreement"
	EndAgreement    Act = "end an agreement"
	AddKey          Act = "add a recipient key"
	ProveKey        Act = "prove a recipient key"
	ApproveKey      Act = "approve a recipient key"
	RevokeKey       Act = "revoke a recipient key"

	AddDestination     Act = "add a destination"
	ApproveDestination Act = "approve a destination"
	RevokeDestination  Act = "revoke a destination"
	ReadDelivery       Act = "read deliveries"
	ManageDelivery     Act = "manage deliveries"

	PublishNotice Act = "publish a notice"

	ReadRequest    Act = "read requests"
	CreateRequest  Act = "create a request"
	CommentRequest Act = "comment on a request"
	ChangeRequest  Act = "change or withdraw a request"
	DecideRequest  Act = "decide about a request"

	ReadProvision        Act = "read provisions"
	RevokeProvision      Act = "revoke a provision"
	ReinstateProvision   Act = "reinstate a provision"
	ReissueProvision     Act = "reissue a provision"
	AcknowledgeProvision Act = "acknowledge a provision"
	ReadReports          Act = "read reports"
	ImportRegister       Act = "take over an earlier register"
	ReadStatement        Act = "read the statement of a recipient"

	CreateLink Act = "create a link"
	ReadLink   Act = "read links"
	RevokeLink Act = "revoke a link"
	RedeemLink Act = "redeem a link"

	ReadLedger    Act = "read the ledger"
	RedactLedger  Act = "redact the ledger"
	ReadEvents    Act = "read events"
	RotateKeys    Act = "rotate keys"
	ReadWebhook   Act = "read webhooks"
	ManageWebhook Act = "manage webhooks"
	Operate       Act = "operate the server"

	ReadDisposal    Act = "read disposals"
	ProposeDisposal Act = "propose a disposal"
	ConfirmDisposal Act = "confirm a disposal"
	SetRetention    Act = "set retention periods"

	ReadRekey      Act = "read the domains of replaced identifiers"
	UseRekey       Act = "use the key of a domain"
	DestroyRekey   Act = "destroy the key of a domain"
	ReadObjections Act = "read how many people objected"
	AddObjections  Act = "add people who objected"
)

// Object is what an act is done to. The zero Object is a collection or the
// server itself.
type Object struct {
	// RecipientID is the recipient that the object belongs to; empty for
	// objects that belong to no recipient.
	RecipientID string
	// Absent says that the object does not exist.
	Absent bool

	single bool // one object, not a collection or the server
}

// Whole is the object of acts on collections and on the server.
func Whole() Object { return Object{} }

// Of is an existing object of that recipient; an empty id means an object that
// belongs to no recipient, such as a dataset.
func Of(recipientID string) Object { return Object{RecipientID: recipientID, single: true} }

// Absent is an object that does not exist.
func Absent() Object { return Object{Absent: true, single: true} }

type reach int

const (
	none reach = iota
	own        // objects of the actor's own recipient
	all
)

// rights is the whole table: what is not in it is denied.
var rights = map[Act]map[models.Role]reach{
	ReadUsers:     staff(models.Administrator, models.Auditor),
	InviteUser:    staff(models.Administrator),
	ConfirmUser:   staff(models.Administrator),
	ChangeUser:    staff(models.Administrator),
	ManageOwnAuth: everyone(all),

	ReadDataset:     staff(models.Administrator, models.Manager, models.Auditor),
	RegisterDataset: staff(models.Administrator, models.Manager),
	WithdrawDataset: staff(models.Administrator, models.Manager),
	DestroyDataset:  staff(models.Administrator, models.Manager),
	RequestWaiver:   staff(models.Administrator, models.Manager),
	ApproveWaiver:   staff(models.Administrator, models.Manager),

	ReadRecipient:   everyone(own),
	ApplyRecipient:  staff(models.Administrator, models.Manager),
	UpdateRecipient: staff(models.Administrator, models.Manager),
	DecideRecipient: staff(models.Administrator),
	AddAgreement:    staff(models.Administrator, models.Manager),
	EndAgreement:    staff(models.Administrator, models.Manager),
	AddKey:          withRecipient(models.Administrator, models.Manager),
	ProveKey:        withRecipient(models.Administrator, models.Manager),
	ApproveKey:      staff(models.Administrator),
	RevokeKey:       withRecipient(models.Administrator, models.Manager),

	AddDestination:     staff(models.Administrator, models.Manager),
	ApproveDestination: staff(models.Administrator),
	RevokeDestination:  staff(models.Administrator, models.Manager),
	ReadDelivery:       everyone(own),
	ManageDelivery:     staff(models.Administrator, models.Manager),

	PublishNotice: staff(models.Administrator, models.Manager),

	ReadRequest:    everyone(own),
	CreateRequest:  withRecipient(models.Administrator, models.Manager),
	CommentRequest: withRecipient(models.Administrator, models.Manager),
	ChangeRequest:  withRecipient(models.Administrator, models.Manager),
	DecideRequest:  staff(models.Administrator, models.Manager),

	ReadProvision:        everyone(own),
	RevokeProvision:      staff(models.Administrator, models.Manager),
	ReinstateProvision:   staff(models.Administrator, models.Manager),
	ReissueProvision:     staff(models.Administrator, models.Manager),
	AcknowledgeProvision: withRecipient(models.Administrator, models.Manager),
	ReadReports:          staff(models.Administrator, models.Manager, models.Auditor),
	ImportRegister:       staff(models.Administrator),
	ReadStatement:        everyone(own),

	CreateLink: withRecipient(models.Administrator, models.Manager),
	ReadLink:   everyone(own),
	RevokeLink: withRecipient(models.Administrator, models.Manager),
	RedeemLink: {models.RecipientUser: own},

	ReadLedger:    staff(models.Administrator, models.Manager, models.Auditor),
	RedactLedger:  staff(models.Administrator),
	ReadEvents:    everyone(own),
	RotateKeys:    staff(models.Administrator),
	ReadWebhook:   staff(models.Administrator, models.Auditor),
	ManageWebhook: staff(models.Administrator),
	Operate:       staff(models.Administrator),

	ReadDisposal:    staff(models.Administrator, models.Manager, models.Auditor),
	ProposeDisposal: staff(models.Administrator, models.Manager),
	ConfirmDisposal: staff(models.Administrator),
	SetRetention:    staff(models.Administrator),

	ReadRekey:      staff(models.Administrator, models.Manager, models.Auditor),
	UseRekey:       staff(models.Administrator, models.Manager),
	DestroyRekey:   staff(models.Administrator),
	ReadObjections: staff(models.Administrator, models.Manager, models.Auditor),
	AddObjections:  staff(models.Administrator, models.Manager),
}

// staff gives roles of the company the right on every object.
func staff(roles ...models.Role) map[models.Role]reach {
	m := map[models.Role]reach{models.System: all}
	for _, r := range roles {
		m[r] = all
	}
	return m
}

// withRecipient is staff, and the people of a recipient for what is theirs.
func withRecipient(roles ...models.Role) map[models.Role]reach {
	m := staff(roles...)
	m[models.RecipientUser] = own
	return m
}

// everyone gives the three roles of the company the right on every object, and
// the people of a recipient that reach.
func everyone(recipient reach) map[models.Role]reach {
	m := staff(models.Administrator, models.Manager, models.Auditor)
	m[models.RecipientUser] = recipient
	return m
}

// Can says whether the actor may do the act to the object; it is the only
// place that decides so. It returns nil or a *models.Error: Denied when the
// actor is not signed in or its role lacks the right, NotFound when the object
// is absent or belongs to somebody else, whose existence must not show.
func Can(actor Actor, act Act, obj Object) error {
	if !actor.SignedIn() {
		return models.Errorf(models.Denied, "sign in first (teikyo login)")
	}
	if actor.Role == models.RecipientUser && hidden(actor, act, obj) {
		return notFound()
	}
	if rights[act][actor.Role] == none {
		return models.Errorf(models.Denied, "the role %s may not %s; ask an administrator", actor.Role, act)
	}
	if obj.Absent {
		return notFound()
	}
	return nil
}

// hidden reports whether the object must look absent to a recipient's person:
// every single object that is not their own, unless all people may do that act.
func hidden(actor Actor, act Act, obj Object) bool {
	if !obj.single || rights[act][actor.Role] == all {
		return false
	}
	return obj.Absent || actor.RecipientID == "" || obj.RecipientID != actor.RecipientID
}

func notFound() error {
	return models.Errorf(models.NotFound, "not found; check the id, and that it belongs to you")
}
