package models

import "slices"

// transitions lists, for every state, the states that may follow. A state that
// is not listed ends.
var (
	versionTransitions = map[VersionState][]VersionState{
		VersionDraft:      {VersionRegistered},
		VersionRegistered: {VersionWithdrawn, VersionRecalled, VersionDestroying},
		VersionWithdrawn:  {VersionRecalled, VersionDestroying},
		VersionRecalled:   {VersionDestroying},
		VersionDestroying: {VersionDestroyed},
	}
	disposalTransitions = map[DisposalState][]DisposalState{
		DisposalProposed:  {DisposalConfirmed, DisposalRejected},
		DisposalConfirmed: {DisposalDone},
	}
	recipientTransitions = map[RecipientState][]RecipientState{
		RecipientApplied:   {RecipientApproved, RecipientRejected},
		RecipientApproved:  {RecipientApproved, RecipientSuspended, RecipientRevoked},
		RecipientSuspended: {RecipientApproved, RecipientRevoked},
	}
	keyTransitions = map[KeyState][]KeyState{
		KeyAdded:    {KeyProved, KeyRevoked},
		KeyProved:   {KeyApproved, KeyRevoked},
		KeyApproved: {KeyRevoked},
	}
	destinationTransitions = map[DestinationState][]DestinationState{
		DestinationAdded:    {DestinationApproved, DestinationRevoked},
		DestinationApproved: {DestinationRevoked},
	}
	requestTransitions = map[RequestState][]RequestState{
		RequestSubmitted: {RequestApproved, RequestRejected, RequestReturned, RequestWithdrawn},
		RequestReturned:  {RequestSubmitted, RequestWithdrawn},
	}
	provisionTransitions = map[ProvisionState][]ProvisionState{
		ProvisionIssued:    {ProvisionRevoked, ProvisionSuspended},
		ProvisionSuspended: {ProvisionIssued, ProvisionRevoked},
	}
	userTransitions = map[UserState][]UserState{
		UserInvited:  {UserActive, UserDisabled},
		UserActive:   {UserInvited, UserDisabled},
		UserDisabled: {UserActive, UserInvited},
	}
)

// CheckTransition returns a Conflict error when a thing of that kind may not
// go from one state to the other.
func CheckTransition[S VersionState | RecipientState | KeyState | RequestState | ProvisionState | UserState | DisposalState | DestinationState](from, to S) error {
	if slices.Contains(following(from), string(to)) {
		return nil
	}
	return Errorf(Conflict, "it is %s and cannot become %s", string(from), string(to))
}

func following(state any) []string {
	switch s := state.(type) {
	case VersionState:
		return words(versionTransitions[s])
	case RecipientState:
		return words(recipientTransitions[s])
	case KeyState:
		return words(keyTransitions[s])
	case RequestState:
		return words(requestTransitions[s])
	case ProvisionState:
		return words(provisionTransitions[s])
	case UserState:
		return words(userTransitions[s])
	case DestinationState:
		return words(destinationTransitions[s])
	case DisposalState:
		return words(disposalTransitions[s])
	default:
		return nil
	}
}

func words[S ~string](states []S) []string {
	list := make([]string, len(states))
	for i, s := range states {
		list[i] = string(s)
	}
	return list
}
