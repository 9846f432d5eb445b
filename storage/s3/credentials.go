package s3

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// metadataTimeout bounds a request for the credentials of the machine's role.
const metadataTimeout = 5 * time.Second

// credentials are the keys, or what fetches them.
func (o Options) credentials() (*credentials.Credentials, error) {
	if file, ok := strings.CutPrefix(o.Credentials, "file:"); ok {
		return credentialsFile(file, o.Profile)
	}
	if o.Credentials == "instance" {
		return credentials.New(&credentials.IAM{
			Endpoint: o.getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), Region: o.region(),
			Client: &http.Client{Timeout: metadataTimeout, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}},
		}), nil
	}
	id, secret := o.getenv("AWS_ACCESS_KEY_ID"), o.getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return nil, errors.New("the access keys are missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
			"or credentials=file:PATH or credentials=instance in the URL")
	}
	return credentials.NewStaticV4(id, secret, o.getenv("AWS_SESSION_TOKEN")), nil
}

// credentialsFile reads a file that nobody else can read.
func credentialsFile(path, profile string) (*credentials.Credentials, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the file of credentials: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read the credentials in %s; run: chmod go= %s", path, path)
	}
	if profile == "" {
		profile = "default"
	}
	creds := credentials.NewFileAWSCredentials(path, profile)
	value, err := creds.GetWithContext(nil)
	if err != nil || value.AccessKeyID == "" || value.SecretAccessKey == "" {
		// The library's error may quote a line of the file.
		return nil, fmt.Errorf("%s has no section [%s] with aws_access_key_id and aws_secret_access_key", path, profile)
	}
	return creds, nil
}
