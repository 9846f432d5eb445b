package events

import (
	"encoding/base64"
	"strconv"
	"strings"

	"teikyo/models"
)

// cursorMark says of which make a cursor is, so that another one can follow.
const cursorMark = "e1:"

// formatCursor names the entry that comes next.
func formatCursor(next int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + strconv.FormatInt(next, 10)))
}

// parseCursor is the inverse of formatCursor.
func parseCursor(cursor string) (int64, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	number, found := strings.CutPrefix(string(text), cursorMark)
	next, parseErr := strconv.ParseInt(number, 10, 64)
	if err != nil || !found || parseErr != nil || next < 0 || formatCursor(next) != cursor {
		return 0, models.Errorf(models.Invalid, "the cursor is not one of this feed; start without it")
	}
	return next, nil
}
