package recipient

import (
	"context"
	"io"
	"slices"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

// MaxDestinations is how many destinations a recipient may have that are not
// revoked.
const MaxDestinations = 20

// Destinations keeps the places to which parcels are uploaded.
type Destinations interface {
	SaveDestination(ctx context.Context, d models.Destination) error
	Destination(ctx context.Context, id string) (models.Destination, error)
	Destinations(ctx context.Context, recipientID string) ([]models.Destination, error)
}

// Way is a type of destination that this server can send to.
type Way interface {
	// Check puts URL and HostKeys into their one form, fills in PublicKey, and
	// refuses what cannot work. It connects nowhere.
	Check(d models.Destination, secret []byte) (models.Destination, error)
	// NewKey makes a secret key to log in with.
	NewKey(rand io.Reader) ([]byte, error)
}

// DestinationInput is a destination that somebody enters for a recipient. One of
// Password, PrivateKey and MakeKey says how to log in.
type DestinationInput struct {
	RecipientID string
	Type        models.DestinationType
	URL         string
	HostKeys    []string
	Password    string
	PrivateKey  string
	MakeKey     bool
}

// destinationDetails is the details of the entries of destinations: where it
// leads, never how to log in.
type destinationDetails struct {
	Change       string                 `json:"change,omitempty"`
	Type         models.DestinationType `json:"type"`
	URL          string                 `json:"url"`
	HostKeys     []string               `json:"host_keys"`
	Login        string                 `json:"login"`
	PublicKey    string                 `json:"public_key,omitempty"`
	Config       string                 `json:"config_sha256"`
	Independence models.Independence    `json:"independence,omitempty"`
	Reason       string                 `json:"reason,omitempty"`
}

// AddDestination enters a destination. Nothing goes there before another person
// has approved it.
func (s *Service) AddDestination(ctx context.Context, actor access.Actor, in DestinationInput) (models.Destination, error) {
	if _, err := s.load(ctx, actor, access.AddDestination, in.RecipientID); err != nil {
		return models.Destination{}, err
	}
	d, secret, err := s.newDestination(actor, in)
	if err != nil {
		return d, err
	}
	d.KEKID, d.Secret, err = s.KEK.Wrap(ctx, secret, models.DestinationContext(d.ID))
	if err != nil {
		return d, models.Wrap(models.Unavailable, err, "the credential could not be sealed; try again")
	}
	return d, s.Store.Update(ctx, func(ctx context.Context) error {
		list, err := s.Store.Destinations(ctx, d.RecipientID)
		if err != nil {
			return err
		}
		if err := checkOther(list, d); err != nil {
			return err
		}
		if err := s.Store.SaveDestination(ctx, d); err != nil {
			return err
		}
		return s.Store.Append(ctx, destinationEntry(ledger.DestinationAdded, actor, d, ""))
	})
}

func checkOther(list []models.Destination, d models.Destination) error {
	list = slices.DeleteFunc(list, func(o models.Destination) bool { return o.State == models.DestinationRevoked })
	if len(list) >= MaxDestinations {
		return models.Errorf(models.Conflict, "the recipient has %d destinations already; revoke one first", MaxDestinations)
	}
	for _, o := range list {
		if o.Config == d.Config {
			return models.Errorf(models.Conflict, "this place is entered already as %s (%s)", o.ID, o.State)
		}
	}
	return nil
}

func (s *Service) newDestination(actor access.Actor, in DestinationInput) (models.Destination, []byte, error) {
	d := models.Destination{
		RecipientID: in.RecipientID, Type: in.Type, URL: in.URL, HostKeys: in.HostKeys,
		State: models.DestinationAdded, AddedBy: actor.UserID, AddedAt: s.now(),
	}
	way, ok := s.Ways[in.Type]
	if !ok {
		return d, nil, models.Errorf(models.Invalid, "this server cannot upload by %.20q; use sftp", string(in.Type))
	}
	secret, login, err := s.credential(way, in)
	if err != nil {
		return d, nil, err
	}
	d.Login = login
	if d, err = way.Check(d, secret); err != nil {
		return d, nil, err
	}
	d.Config = d.ConfigDigest()
	d.ID, err = models.NewID(s.Rand, models.DestinationID)
	return d, secret, err
}

// credential is the one that was given, or a new key.
func (s *Service) credential(way Way, in DestinationInput) (secret []byte, login string, err error) {
	switch {
	case in.MakeKey && in.Password == "" && in.PrivateKey == "":
		secret, err = way.NewKey(s.Rand)
		return secret, models.LoginKey, err
	case in.PrivateKey != "" && in.Password == "" && !in.MakeKey:
		return []byte(in.PrivateKey), models.LoginKey, nil
	case in.Password != "" && in.PrivateKey == "" && !in.MakeKey:
		return []byte(in.Password), models.LoginPassword, nil
	default:
		return nil, "", models.Errorf(models.Invalid, "give one way to log in: a password, a private key, or let us make a key")
	}
}

// ApproveDestination lets parcels go there. The approver is not who added it, and
// names the configuration's digest as it was shown to them.
func (s *Service) ApproveDestination(ctx context.Context, actor access.Actor, recipientID, id, config string) (models.Destination, error) {
	return s.changeDestination(ctx, actor, access.ApproveDestination, recipientID, id, func(ctx context.Context, d *models.Destination) (*ledger.Entry, error) {
		if err := models.CheckTransition(d.State, models.DestinationApproved); err != nil {
			return nil, err
		}
		if d.Config != d.ConfigDigest() {
			return nil, models.Errorf(models.Integrity, "the stored destination was changed; revoke it and run teikyo ledger verify")
		}
		if config != d.Config {
			return nil, models.Errorf(models.Conflict, "this is not the configuration of %s; look at it (teikyo recipient destination show) and approve what you see", id)
		}
		independence, err := s.People.Pair(ctx, d.AddedBy, actor.UserID)
		if err != nil {
			return nil, err
		}
		d.State, d.ApprovedBy, d.ApprovedAt, d.Independence = models.DestinationApproved, actor.UserID, s.now(), independence
		return destinationEntry(ledger.DestinationApproved, actor, *d, ""), nil
	})
}

// RevokeDestination ends a destination: what is under way stops, and its
// credential is forgotten.
func (s *Service) RevokeDestination(ctx context.Context, actor access.Actor, recipientID, id, reason string) (models.Destination, error) {
	return s.changeDestination(ctx, actor, access.RevokeDestination, recipientID, id, func(ctx context.Context, d *models.Destination) (*ledger.Entry, error) {
		if err := needReason(reason); err != nil {
			return nil, err
		}
		if err := models.CheckTransition(d.State, models.DestinationRevoked); err != nil {
			return nil, err
		}
		d.State, d.RevokedBy, d.RevokedAt, d.Reason = models.DestinationRevoked, actor.UserID, s.now(), reason
		d.KEKID, d.Secret = "", nil
		return destinationEntry(ledger.DestinationChanged, actor, *d, "revoked"), s.Store.Revoke(ctx)
	})
}

// changeDestination lets change decide, and saves the destination with its entry.
func (s *Service) changeDestination(ctx context.Context, actor access.Actor, act access.Act, recipientID, id string,
	change func(context.Context, *models.Destination) (*ledger.Entry, error),
) (models.Destination, error) {
	var d models.Destination
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if d, err = s.loadDestination(ctx, actor, act, recipientID, id); err != nil {
			return err
		}
		e, err := change(ctx, &d)
		if err != nil {
			return err
		}
		if err := s.Store.SaveDestination(ctx, d); err != nil {
			return err
		}
		return s.Store.Append(ctx, e)
	})
	return d, err
}

// DestinationList shows the destinations of a recipient, oldest first.
func (s *Service) DestinationList(ctx context.Context, actor access.Actor, recipientID string) ([]models.Destination, error) {
	if _, err := s.load(ctx, actor, access.ReadRecipient, recipientID); err != nil {
		return nil, err
	}
	return s.Store.Destinations(ctx, recipientID)
}

// Destination shows a destination.
func (s *Service) Destination(ctx context.Context, actor access.Actor, recipientID, id string) (models.Destination, error) {
	return s.loadDestination(ctx, actor, access.ReadRecipient, recipientID, id)
}

func (s *Service) loadDestination(ctx context.Context, actor access.Actor, act access.Act, recipientID, id string) (models.Destination, error) {
	d, err := s.Store.Destination(ctx, id)
	if models.IsKind(err, models.NotFound) || err == nil && d.RecipientID != recipientID {
		return models.Destination{}, access.Can(actor, act, access.Absent())
	}
	if err != nil {
		return models.Destination{}, err
	}
	return d, access.Can(actor, act, access.Of(d.RecipientID))
}

func destinationEntry(kind ledger.Kind, actor access.Actor, d models.Destination, change string) *ledger.Entry {
	return entry(kind, actor, map[string]string{"recipient": d.RecipientID, "destination": d.ID}, destinationDetails{
		Change: change, Type: d.Type, URL: d.URL, HostKeys: d.HostKeys, Login: d.Login, PublicKey: d.PublicKey,
		Config: d.Config, Independence: d.Independence, Reason: d.Reason,
	})
}
