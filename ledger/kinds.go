package ledger

// Kind says what an entry records.
type Kind string

// The kinds of entries. Later versions may add some, so readers of a log accept
// any well-formed kind; Build accepts these alone.
const (
	DatasetRegistered   Kind = "dataset.registered"
	DatasetImported     Kind = "dataset.imported"
	DatasetWithdrawn    Kind = "dataset.withdrawn"
	DatasetDestroyed    Kind = "dataset.destroyed"
	DatasetRechecked    Kind = "dataset.rechecked"
	WaiverGranted       Kind = "waiver.granted"
	NoticePublished     Kind = "notice.published"
	AgreementAdded      Kind = "agreement.added"
	AgreementEnded      Kind = "agreement.ended"
	RecipientApplied    Kind = "recipient.applied"
	RecipientUpdated    Kind = "recipient.updated"
	RecipientApproved   Kind = "recipient.approved"
	RecipientRejected   Kind = "recipient.rejected"
	RecipientSuspended  Kind = "recipient.suspended"
	RecipientReinstated Kind = "recipient.reinstated"
	RecipientRevoked    Kind = "recipient.revoked"
	KeyAdded            Kind = "key.added"
	KeyProved           Kind = "key.proved"
	KeyApproved         Kind = "key.approved"
	KeyRevoked          Kind = "key.revoked"
	DestinationAdded    Kind = "destination.added"
	DestinationApproved Kind = "destination.approved"
	DestinationChanged  Kind = "destination.changed"
	RequestSubmitted    Kind = "request.submitted"
	RequestReturned     Kind = "request.returned"
	RequestWithdrawn    Kind = "request.withdrawn"
	RequestApproved     Kind = "request.approved"
	RequestRejected     Kind = "request.rejected"
	StandingApproved    Kind = "standing.approved"
	StandingEnded       Kind = "standing.ended"
	ProvisionIssued     Kind = "provision.issued"
	ProvisionReissued   Kind = "provision.reissued"
	ProvisionRevoked    Kind = "provision.revoked"
	ProvisionReinstated Kind = "provision.reinstated"
	ProvisionImported   Kind = "provision.imported"
	LinkIssued          Kind = "link.issued"
	LinkRevoked         Kind = "link.revoked"
	DownloadOpened      Kind = "download.opened"
	DownloadClosed      Kind = "download.closed"
	DeliveryQueued      Kind = "delivery.queued"
	DeliveryStarted     Kind = "delivery.started"
	DeliverySent        Kind = "delivery.sent"
	DeliveryConfirmed   Kind = "delivery.confirmed"
	DeliveryFailed      Kind = "delivery.failed"
	DeliveryCancelled   Kind = "delivery.cancelled"
	MediaCreated        Kind = "media.created"
	MediaChecked        Kind = "media.checked"
	MediaShipped        Kind = "media.shipped"
	MediaReceived       Kind = "media.received"
	MediaReturned       Kind = "media.returned"
	MediaDestroyed      Kind = "media.destroyed"
	Acknowledged        Kind = "acknowledged"
	CertificateReceived Kind = "certificate.received"
	Recalled            Kind = "recalled"
	NoticeTold          Kind = "notice.told"
	Expired             Kind = "expired"
	UserChanged         Kind = "user.changed"
	ConfigChanged       Kind = "config.changed"
	EntryRedacted       Kind = "entry.redacted"
	KEKRotated          Kind = "kek.rotated"
	IssuerRotated       Kind = "issuer.rotated"
	Restored            Kind = "restored"
	DisposalConfirmed   Kind = "disposal.confirmed"
	DisposalCompleted   Kind = "disposal.completed"
	RekeyCreated        Kind = "rekey.created"
	RekeyExported       Kind = "rekey.exported"
	RekeyDestroyed      Kind = "rekey.destroyed"
	ObjectionAdded      Kind = "objection.added"
)

// Known reports whether k is one of the kinds above.
func (k Kind) Known() bool {
	switch k {
	case DatasetRegistered, DatasetImported, DatasetWithdrawn, DatasetDestroyed, DatasetRechecked, WaiverGranted, NoticePublished,
		AgreementAdded, AgreementEnded,
		RecipientApplied, RecipientUpdated, RecipientApproved, RecipientRejected, RecipientSuspended, RecipientReinstated, RecipientRevoked,
		KeyAdded, KeyProved, KeyApproved, KeyRevoked,
		DestinationAdded, DestinationApproved, DestinationChanged,
		RequestSubmitted, RequestReturned, RequestWithdrawn, RequestApproved, RequestRejected,
		StandingApproved, StandingEnded,
		ProvisionIssued, ProvisionReissued, ProvisionRevoked, ProvisionReinstated, ProvisionImported,
		LinkIssued, LinkRevoked, DownloadOpened, DownloadClosed,
		DeliveryQueued, DeliveryStarted, DeliverySent, DeliveryConfirmed, DeliveryFailed, DeliveryCancelled,
		MediaCreated, MediaChecked, MediaShipped, MediaReceived, MediaReturned, MediaDestroyed,
		Acknowledged, CertificateReceived, Recalled, NoticeTold, Expired,
		UserChanged, ConfigChanged, EntryRedacted, KEKRotated, IssuerRotated, Restored,
		DisposalConfirmed, DisposalCompleted,
		RekeyCreated, RekeyExported, RekeyDestroyed, ObjectionAdded:
		return true
	}
	return false
}

// Batches reports whether entries of kind k may share a transaction with others
// of their kind; every other entry is committed with the one row it speaks of.
func (k Kind) Batches() bool { return k == DownloadOpened || k == DownloadClosed }

// hasManifest reports whether entries of kind k vouch for a parcel, whose
// manifest digest then stands in the leaf in clear.
func (k Kind) hasManifest() bool { return k == ProvisionIssued || k == ProvisionReissued }
