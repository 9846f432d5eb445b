package provision

import (
	"strings"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/wording"
)

// manifestHead says in the manifest what the parcel is, for whom and on what
// grounds. The running number is not known yet: it is taken in the transaction.
func (s *Service) manifestHead(prov models.Provision, req models.Request, g ground, origin string) crypto.ManifestHead {
	statement := map[string]string{}
	for _, lang := range wording.Languages() {
		statement[lang] = s.Texts.ClassStatement(string(g.ds.Class), lang)
	}
	head := crypto.ManifestHead{
		Issuer: origin, Provision: prov.ID, Created: s.now(),
		Recipient:      crypto.ManifestRecipient{ID: g.rcpt.ID, Name: g.rcpt.Name},
		KeyFingerprint: g.key.Fingerprint,
		Purpose:        crypto.ManifestPurpose{Code: string(req.Purpose), Words: req.Words, DUO: req.DUO},
		Method:         string(req.Method), Basis: string(req.Basis),
		Dataset: crypto.ManifestDataset{
			ID: g.ds.ID, Version: g.version.Number, Title: g.ds.Title, Class: string(g.ds.Class),
		},
		ClassStatement: statement, Items: plain(req.Items), TermsSHA256: g.version.TermsSHA256, ValidUntil: prov.Until,
	}
	if g.version.ProfileHash != "" {
		head.Gate = manifestGate(g)
	}
	if prov.Independence != models.IndependenceShown {
		head.Independence = string(prov.Independence)
	}
	return head
}

// manifestGate names the rules and what was waived.
func manifestGate(g ground) *crypto.ManifestGate {
	out := &crypto.ManifestGate{Profile: g.version.Profile, SHA256: g.version.ProfileHash, Transform: g.version.Transform}
	for _, w := range g.waivers {
		out.Waivers = append(out.Waivers, crypto.ManifestWaiver{
			ID: w.ID, Rule: w.Rule, Finding: w.FindingID, FileSHA256: w.FileSHA256, Reason: w.Reason,
			RequestedBy: w.RequestedBy, ApprovedBy: w.ApprovedBy, Expires: w.ExpiresAt,
		})
	}
	return out
}

// noticeData fills NOTICE.txt. The provision is named by its id, because the
// running number is only taken in the transaction.
func (s *Service) noticeData(prov models.Provision, req models.Request, g ground) wording.NoticeData {
	return wording.NoticeData{
		Class: string(g.ds.Class), Title: g.ds.Title, Version: g.version.Number, Items: plain(req.Items),
		Purpose: string(req.Purpose), PurposeWords: req.Words, Method: string(req.Method), Basis: string(req.Basis),
		Recipient: g.rcpt.Name, Until: s.lastDay(prov.Until), Number: prov.ID, Issued: s.day(s.now()),
		Issuer: s.organisation(), Contact: s.Contact, Terms: g.version.Terms,
	}
}

// signerLines are the issuer's manifest keys as ssh-keygen reads them.
func signerLines(issuer crypto.Issuer) []string {
	return strings.Split(strings.TrimRight(issuer.AllowedSigners(), "\n"), "\n")
}
