package jobs

// DeliveryKind is the kind of jobs that carry a parcel to its recipient.
const DeliveryKind = "delivery"

// MaxDeliveryFailures with the pauses between them is about two days.
const MaxDeliveryFailures = 16
