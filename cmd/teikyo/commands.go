package main

import "github.com/spf13/cobra"

// commands lists every noun; each stands in a file of that name.
func (c *cli) commands() []*cobra.Command {
	return []*cobra.Command{
		c.serveCommand(), c.configCommand(), c.doctorCommand(), c.issuerCommand(), c.ledgerCommand(), c.keyCommand(), c.backupCommand(), c.restoreCommand(), c.migrateCommand(), c.versionCommand(),
		c.setupCommand(), c.loginCommand(), c.logoutCommand(), c.whoamiCommand(), c.userCommand(), c.tokenCommand(),
		c.datasetCommand(), c.waiverCommand(), c.recipientCommand(),
		c.agreementCommand(),
		c.getCommand(), c.openCommand(), c.verifyCommand(), c.keygenCommand(),
		c.demoCommand(), c.manCommand(),
		c.noticeCommand(), c.requestCommand(), c.provisionCommand(), c.linkCommand(), c.deliveryCommand(),
		c.eventsCommand(), c.webhookCommand(), c.storageCommand(),
		c.reportCommand(),
		c.auditCommand(),
		c.disposalCommand(), c.retentionCommand(),
		c.importCommand(),
		c.deidCommand(), c.objectionCommand(),
	}
}
