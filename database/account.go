package database

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"teikyo/models"
)

type userRow struct {
	ID            string `gorm:"primaryKey"`
	Email         string
	Name          string
	Role          string
	RecipientID   string
	State         string
	PasswordHash  string
	InviteHash    string
	InviteExpires int64
	InvitedBy     string
	ChangedBy     string
	ConfirmedBy   string
	ConfirmedAt   int64
	SoleConfirmed bool
	CreatedAt     int64 `gorm:"autoCreateTime:false"`
	LastSignIn    int64
}

func (userRow) TableName() string { return "users" }

func toUserRow(u models.User) *userRow {
	return &userRow{
		ID: u.ID, Email: u.Email, Name: u.Name, Role: string(u.Role), RecipientID: u.RecipientID,
		State: string(u.State), PasswordHash: u.PasswordHash,
		InviteHash: u.InviteHash, InviteExpires: toMicros(u.InviteExpires),
		InvitedBy: u.InvitedBy, ChangedBy: toJSON(u.ChangedBy),
		ConfirmedBy: u.ConfirmedBy, ConfirmedAt: toMicros(u.ConfirmedAt), SoleConfirmed: u.SoleConfirmed,
		CreatedAt: toMicros(u.CreatedAt), LastSignIn: toMicros(u.LastSignIn),
	}
}

func (r userRow) model() (models.User, error) {
	changedBy, err := fromJSON[[]string](r.ChangedBy)
	return models.User{
		ID: r.ID, Email: r.Email, Name: r.Name, Role: models.Role(r.Role), RecipientID: r.RecipientID,
		State: models.UserState(r.State), PasswordHash: r.PasswordHash,
		InviteHash: r.InviteHash, InviteExpires: fromMicros(r.InviteExpires),
		InvitedBy: r.InvitedBy, ChangedBy: changedBy,
		ConfirmedBy: r.ConfirmedBy, ConfirmedAt: fromMicros(r.ConfirmedAt), SoleConfirmed: r.SoleConfirmed,
		CreatedAt: fromMicros(r.CreatedAt), LastSignIn: fromMicros(r.LastSignIn),
	}, translate(err, "a stored account cannot be read")
}

// held is conn, but inside Update it holds the rows that it reads until the end
// of the transaction: on PostgreSQL another node may want to change them too.
func (db *DB) held(ctx context.Context) *gorm.DB {
	if changeOf(ctx) == nil || !db.isPostgres() {
		return db.conn(ctx)
	}
	return db.conn(ctx).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}

func takeUser(query *gorm.DB) (models.User, error) {
	var row userRow
	if err := query.Take(&row).Error; err != nil {
		return models.User{}, translate(err, "the account cannot be read")
	}
	return row.model()
}

// User finds an account by its id.
func (db *DB) User(ctx context.Context, id string) (models.User, error) {
	return takeUser(db.conn(ctx).Where("id = ?", id))
}

// UserByEmail finds an account by its address, in lower case.
func (db *DB) UserByEmail(ctx context.Context, email string) (models.User, error) {
	return takeUser(db.conn(ctx).Where("email = ?", email))
}

// UserByInvite finds an account by the hash of its newest invitation code.
func (db *DB) UserByInvite(ctx context.Context, hash string) (models.User, error) {
	if hash == "" { // accounts that were never invited
		return models.User{}, translate(gorm.ErrRecordNotFound, "")
	}
	return takeUser(db.conn(ctx).Where("invite_hash = ?", hash))
}

// Users lists accounts, the oldest first.
func (db *DB) Users(ctx context.Context, page models.Page) ([]models.User, error) {
	at, id, err := models.ParseTimeCursor(page.After)
	if err != nil {
		return nil, err
	}
	var rows []userRow
	err = db.conn(ctx).Where("(created_at, id) > (?, ?)", toMicros(at), id).
		Order("created_at, id").Limit(page.Size()).Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the accounts cannot be read")
	}
	return each(rows, userRow.model)
}

// Administrators are the active administrators whom somebody confirmed.
func (db *DB) Administrators(ctx context.Context) ([]models.User, error) {
	all, err := db.AdministratorsEver(ctx)
	return slices.DeleteFunc(all, func(u models.User) bool { return u.State != models.UserActive }), err
}

// AdministratorsEver are the administrators whom somebody confirmed, disabled
// ones too.
func (db *DB) AdministratorsEver(ctx context.Context) ([]models.User, error) {
	var rows []userRow
	err := db.conn(ctx).Where("role = ? AND confirmed_by <> ''", string(models.Administrator)).Order("id").Find(&rows).Error
	if err != nil {
		return nil, translate(err, "the administrators cannot be read")
	}
	return each(rows, userRow.model)
}

// AnyUser reports whether an account exists.
func (db *DB) AnyUser(ctx context.Context) (bool, error) {
	var n int64
	err := db.conn(ctx).Model(&userRow{}).Limit(1).Count(&n).Error
	return n > 0, translate(err, "the accounts cannot be counted")
}

// AddUser adds an account; Conflict when the address has one already.
func (db *DB) AddUser(ctx context.Context, u models.User) error {
	return db.fault(db.mutate(ctx).Create(toUserRow(u)).Error, "the account could not be saved")
}

// SaveUser writes all of an account.
func (db *DB) SaveUser(ctx context.Context, u models.User) error {
	err := db.mutate(ctx).Model(&userRow{}).Where("id = ?", u.ID).Select("*").Updates(toUserRow(u)).Error
	return db.fault(err, "the account could not be saved")
}

// HoldAccounts keeps every other change of accounts waiting until the end of
// the transaction of ctx. What is read after it is what is changed.
func (db *DB) HoldAccounts(ctx context.Context) error {
	var row struct{ ID int64 }
	err := db.held(ctx).Table("setup_code").Where("id = 1").Take(&row).Error
	return translate(err, "the accounts cannot be read")
}

// SetupHash is the hash of the open setup code, empty when there is none.
func (db *DB) SetupHash(ctx context.Context) (string, error) {
	var row struct{ Hash string }
	err := db.conn(ctx).Table("setup_code").Where("id = 1").Take(&row).Error
	return row.Hash, translate(err, "the setup code cannot be read")
}

// Latched tells whether three administrators were shown to be independent once.
func (db *DB) Latched(ctx context.Context) (bool, error) {
	var row struct{ LatchedAt int64 }
	err := db.conn(ctx).Table("setup_code").Where("id = 1").Take(&row).Error
	return row.LatchedAt > 0, translate(err, "the accounts cannot be read")
}

// Latch keeps when that was; the first time counts.
func (db *DB) Latch(ctx context.Context, at time.Time) error {
	err := db.mutate(ctx).Exec("UPDATE setup_code SET latched_at = ? WHERE id = 1 AND latched_at = 0", toMicros(at)).Error
	return db.fault(err, "the accounts could not be saved")
}

// SetSetupHash replaces the hash of the setup code; empty closes it.
func (db *DB) SetSetupHash(ctx context.Context, hash string) error {
	err := db.mutate(ctx).Exec("UPDATE setup_code SET hash = ? WHERE id = 1", hash).Error
	return db.fault(err, "the setup code could not be saved")
}

// SignInDelay is the delay of that key; one without failures when there is none.
// Inside Update it is held until the end of the transaction, new ones too.
func (db *DB) SignInDelay(ctx context.Context, key string) (models.SignInDelay, error) {
	if changeOf(ctx) != nil && db.isPostgres() { // a row that is not there cannot be held
		err := db.mutate(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&delayRow{Key: key}).Error
		if err != nil {
			return models.SignInDelay{}, db.fault(err, "the sign-in delays could not be saved")
		}
	}
	var rows []delayRow
	if err := db.held(ctx).Where("key = ?", key).Limit(1).Find(&rows).Error; err != nil {
		return models.SignInDelay{}, translate(err, "the sign-in delays cannot be read")
	}
	if len(rows) == 0 {
		return models.SignInDelay{Key: key}, nil
	}
	r := rows[0]
	return models.SignInDelay{
		Key: key, Failures: r.Failures, Since: fromMicros(r.Since), Until: fromMicros(r.Until),
		TrustedUntil: fromMicros(r.TrustedUntil),
	}, nil
}

// SaveSignInDelay adds or replaces a delay.
func (db *DB) SaveSignInDelay(ctx context.Context, d models.SignInDelay) error {
	row := delayRow{
		Key: d.Key, Failures: d.Failures, Since: toMicros(d.Since), Until: toMicros(d.Until),
		TrustedUntil: toMicros(d.TrustedUntil),
	}
	err := db.mutate(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "key"}}, UpdateAll: true}).
		Create(&row).Error
	return db.fault(err, "the sign-in delays could not be saved")
}

// ForgetSignInDelays removes delays that have not changed since before and hold
// no trust at now, except those that somebody holds.
func (db *DB) ForgetSignInDelays(ctx context.Context, before, now time.Time) error {
	query := "DELETE FROM sign_in_delays WHERE since < ? AND trusted_until < ?"
	if db.isPostgres() {
		query = "DELETE FROM sign_in_delays WHERE key IN (SELECT key FROM sign_in_delays " +
			"WHERE since < ? AND trusted_until < ? FOR UPDATE SKIP LOCKED)"
	}
	err := db.mutate(ctx).Exec(query, toMicros(before), toMicros(now)).Error
	return db.fault(err, "the sign-in delays could not be saved")
}

type delayRow struct {
	Key          string `gorm:"primaryKey"`
	Failures     int
	Since        int64
	Until        int64
	TrustedUntil int64
}

func (delayRow) TableName() string { return "sign_in_delays" }

// each reads rows into models; the first that cannot be read ends it.
func each[R, M any](rows []R, model func(R) (M, error)) ([]M, error) {
	list := make([]M, 0, len(rows))
	for _, r := range rows {
		m, err := model(r)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}
