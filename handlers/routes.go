package handlers

// routes is the whole address plan. The functions stand in the file named after
// their resource.
func (a *api) routes() {
	// The API, under /api/v1.
	a.accountRoutes()   // account.go: setup, sessions, users, tokens
	a.datasetRoutes()   // dataset.go: datasets, versions, files, waivers
	a.recipientRoutes() // recipient.go: recipients, keys, destinations, agreements
	a.noticeRoutes()    // notice.go: notices, and the public page /notice
	a.requestRoutes()   // request.go: requests
	a.provisionRoutes() // provision.go: provisions, receipts
	a.deliveryRoutes()  // delivery.go: uploads under way
	a.reportRoutes()    // report.go: reports, samples
	a.importRoutes()    // imports.go: an earlier register
	a.linkRoutes()      // link.go: links, redeem; the landing page /d/{token}
	a.downloadRoutes()  // download.go: /dl/{session}/…
	a.retentionRoutes() // retention.go: periods, what is due, the yearly disposal
	a.disposalRoutes()  // disposal.go: destroying and redacting by two people, certificates
	a.ledgerRoutes()    // ledger.go: entries, proofs; /ledger/…, /.well-known/teikyo.json
	a.eventRoutes()     // event.go: events
	a.webhookRoutes()   // webhook.go: webhooks
	a.rekeyRoutes()     // rekey.go: keys of domains, people who objected
	a.clientRoutes()    // clients.go: /clients/, builds of the program
	a.healthRoutes()    // health.go: /healthz, /readyz, version
}
