package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"teikyo/models"
)

// The whole table of rights, written out a second time: a change of rights shows
// here, line by line. The columns are administrator, manager, auditor and the
// people of a recipient; the outcomes of each are for an own object, a foreign
// one, an absent one, and the whole collection:
//
//	y yes   d denied   n not found
//
// Only the people of a recipient have foreign objects.
const matrix = `
read accounts                         yyny dddd yyny dnnd
invite an account                     yyny dddd dddd dnnd
confirm an account                    yyny dddd dddd dnnd
change an account                     yyny dddd dddd dnnd
manage one's own tokens and sessions  yyny yyny yyny yyny
read datasets                         yyny yyny yyny dnnd
register datasets                     yyny yyny dddd dnnd
withdraw datasets                     yyny yyny dddd dnnd
destroy datasets                      yyny yyny dddd dnnd
request a waiver                      yyny yyny dddd dnnd
approve a waiver                      yyny yyny dddd dnnd
read the recipient                    yyny yyny yyny ynny
enter a recipient                     yyny yyny dddd dnnd
update the recipient                  yyny yyny dddd dnnd
decide about a recipient              yyny dddd dddd dnnd
add an agreement                      yyny yyny dddd dnnd
end an agreement                      yyny yyny dddd dnnd
add a recipient key                   yyny yyny dddd ynny
prove a recipient key                 yyny yyny dddd ynny
approve a recipient key               yyny dddd dddd dnnd
revoke a recipient key                yyny yyny dddd ynny
add a destination                     yyny yyny dddd dnnd
approve a destination                 yyny dddd dddd dnnd
revoke a destination                  yyny yyny dddd dnnd
read deliveries                       yyny yyny yyny ynny
manage deliveries                     yyny yyny dddd dnnd
publish a notice                      yyny yyny dddd dnnd
read requests                         yyny yyny yyny ynny
create a request                      yyny yyny dddd ynny
comment on a request                  yyny yyny dddd ynny
change or withdraw a request          yyny yyny dddd ynny
decide about a request                yyny yyny dddd dnnd
read provisions                       yyny yyny yyny ynny
revoke a provision                    yyny yyny dddd dnnd
reinstate a provision                 yyny yyny dddd dnnd
reissue a provision                   yyny yyny dddd dnnd
acknowledge a provision               yyny yyny dddd ynny
read reports                          yyny yyny yyny dnnd
take over an earlier register         yyny dddd dddd dnnd
read the statement of a recipient     yyny yyny yyny ynny
create a link                         yyny yyny dddd ynny
read links                            yyny yyny yyny ynny
revoke a link                         yyny yyny dddd ynny
redeem a link                         dddd dddd dddd ynny
read disposals                        yyny yyny yyny dnnd
propose a disposal                    yyny yyny dddd dnnd
confirm a disposal                    yyny dddd dddd dnnd
set retention periods                 yyny dddd dddd dnnd
read the ledger                       yyny yyny yyny dnnd
redact the ledger                     yyny dddd dddd dnnd
read events                           yyny yyny yyny ynny
rotate keys                           yyny dddd dddd dnnd
read webhooks                         yyny dddd yyny dnnd
manage webhooks                       yyny dddd dddd dnnd
operate the server                    yyny dddd dddd dnnd
read how many people objected         yyny yyny yyny dnnd
add people who objected               yyny yyny dddd dnnd
read the domains of replaced identifiers  yyny yyny yyny dnnd
use the key of a domain               yyny yyny dddd dnnd
destroy the key of a domain           yyny dddd dddd dnnd
`

const ownID, foreignID = "r-own", "r-foreign"

func TestCanIsTheTable(t *testing.T) {
	t.Parallel()
	want := map[Act]string{}
	for line := range strings.Lines(strings.TrimSpace(matrix)) {
		act, cells, found := strings.Cut(strings.TrimSpace(line), "  ")
		if !found {
			t.Fatalf("no cells in %q", line)
		}
		want[Act(act)] = strings.TrimSpace(cells)
	}
	for _, act := range slices.Sorted(maps.Keys(rights)) {
		if got := cells(act); got != want[act] {
			t.Errorf("%-38s%s, the table says %q", act, got, want[act])
		}
		delete(want, act)
	}
	for act := range want {
		t.Errorf("the table has %q, which is no act", act)
	}
}

func cells(act Act) string {
	var cells []string
	for _, role := range models.Roles() {
		actor := Actor{UserID: "u-x", Role: role}
		if role == models.RecipientUser {
			actor.RecipientID = ownID
		}
		cell := ""
		for _, obj := range []Object{Of(ownID), Of(foreignID), Absent(), Whole()} {
			cell += outcome(Can(actor, act, obj))
		}
		cells = append(cells, cell)
	}
	return strings.Join(cells, " ")
}

func outcome(err error) string {
	switch models.KindOf(err) {
	case "":
		return "y"
	case models.Denied:
		return "d"
	case models.NotFound:
		return "n"
	default:
		return fmt.Sprintf("<%v>", err)
	}
}

func TestStrangersMayNothing(t *testing.T) {
	t.Parallel()
	for act := range rights {
		for _, obj := range []Object{Of(""), Of(ownID), Absent(), Whole()} {
			for _, actor := range []Actor{{}, {Role: models.Administrator}, {Address: "192.0.2.1"}} {
				if err := Can(actor, act, obj); !models.IsKind(err, models.Denied) {
					t.Errorf("%+v may %s %+v: %v", actor, act, obj, err)
				}
			}
		}
	}
}

// A recipient's person without a recipient, a role that does not exist and an
// act that is not in the table have no right at all.
func TestUnknownIsDenied(t *testing.T) {
	t.Parallel()
	nobody := Actor{UserID: "u-x", Role: models.RecipientUser}
	for _, obj := range []Object{Of(""), Of(ownID), Absent()} {
		if err := Can(nobody, ReadProvision, obj); !models.IsKind(err, models.NotFound) {
			t.Errorf("a person of no recipient and %+v: %v", obj, err)
		}
	}
	for act := range rights {
		if err := Can(Actor{UserID: "u-x", Role: "owner"}, act, Whole()); !models.IsKind(err, models.Denied) {
			t.Errorf("an unknown role may %s: %v", act, err)
		}
	}
	if err := Can(Actor{UserID: "u-x", Role: models.Administrator}, "paint the house", Whole()); !models.IsKind(err, models.Denied) {
		t.Errorf("an unknown act: %v", err)
	}
}

func TestForeignAndAbsentLookTheSame(t *testing.T) {
	t.Parallel()
	actor := Actor{UserID: "u-x", Role: models.RecipientUser, RecipientID: ownID}
	for act, roles := range rights {
		if roles[models.RecipientUser] == all {
			continue
		}
		foreign, absent := Can(actor, act, Of(foreignID)), Can(actor, act, Absent())
		if foreign == nil || absent == nil || foreign.Error() != absent.Error() {
			t.Errorf("%s: %v and %v", act, foreign, absent)
		}
	}
}
