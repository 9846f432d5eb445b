package main

import "github.com/spf13/cobra"

// helpTopics are the texts behind "teikyo help TOPIC".
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: "exit-codes", Short: "What the exit codes mean", Long: `0    ok
1    failed
2    wrong usage
3    partly done
4    not signed in or not allowed
5    not found
6    expired, revoked or used up
7    an integrity or signature check failed
8    network or server unavailable; a retry helps
130  interrupted`,
		},
		{
			Use: "environment", Short: "Environment variables", Long: `TEIKYO_SERVER      address of the server
TEIKYO_TOKEN_FILE  file that holds the API token (default: the user's
                   configuration folder, written by teikyo login)
TEIKYO_CONFIG_DIR  the user's configuration folder of this program
TEIKYO_*           every setting of the server, for example TEIKYO_LISTEN;
                   see teikyo config show
A flag wins over the environment, the environment over the file.`,
		},
	}
}
