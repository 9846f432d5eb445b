package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"
)

const (
	defaultRegion = "us-east-1"
	defaultIdle   = 30 * time.Second
)

// Options say which bucket to use and how. The store may stand in the operator's
// own network, so they come from the settings or the operator alone, never from
// a request.
type Options struct {
	Bucket string
	Prefix string // before all names, without slashes at the ends; may be empty

	// Endpoint is HOST or HOST:PORT, always spoken to by TLS; empty is Amazon.
	Endpoint string
	// Region is that of the signature; empty is us-east-1.
	Region string
	// PathStyle puts the bucket into the path instead of the host name.
	PathStyle bool
	// CAFile is a PEM file of authorities that sign the store's certificate,
	// instead of the system's; empty for the system's.
	CAFile string
	// Credentials is environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
	// AWS_SESSION_TOKEN), instance (the role of the machine or container) or
	// file:PATH (an AWS credentials file). Empty is environment.
	Credentials string
	// Profile is the section of the credentials file; empty is default.
	Profile string

	// Idle is how long a connection may do nothing while something is expected
	// of it; 0 is 30 seconds.
	Idle time.Duration
	// Getenv reads the environment; nil is os.Getenv.
	Getenv func(string) string
	// Dial connects; nil is the system's way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ParseURL reads
//
//	s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=R&path_style=true&ca_file=F&credentials=C&profile=P
//
// where everything after BUCKET may be left out. With an endpoint of its own the
// bucket goes into the path unless path_style=false. A URL holds no keys.
func ParseURL(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil { // it would repeat the text
		return Options{}, errors.New("it is no URL like s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION")
	}
	if u.User != nil {
		return Options{}, errors.New("access keys do not belong into the URL: set credentials=environment, instance or file:PATH")
	}
	if u.Scheme != "s3" || u.Host == "" || u.Fragment != "" || u.Port() != "" {
		return Options{}, errors.New("it must be like s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION")
	}
	o := Options{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, errors.New("what follows the ? cannot be read")
	}
	o.PathStyle = query.Has("endpoint")
	for name, values := range query {
		if len(values) > 1 {
			return Options{}, fmt.Errorf("%s is there twice", name)
		}
		if err := o.set(name, values[0]); err != nil {
			return Options{}, err
		}
	}
	return o, o.check()
}

func (o *Options) set(name, value string) (err error) {
	switch name {
	case "endpoint":
		o.Endpoint, err = parseEndpoint(value)
	case "region":
		o.Region = value
	case "path_style":
		if o.PathStyle, err = strconv.ParseBool(value); err != nil {
			err = errors.New("path_style must be true or false")
		}
	case "ca_file":
		o.CAFile = value
	case "credentials":
		o.Credentials = value
	case "profile":
		o.Profile = value
	default:
		err = fmt.Errorf("%q is none of endpoint, region, path_style, ca_file, credentials, profile", name)
	}
	return err
}

func parseEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", errors.New("endpoint must be like https://s3.example.jp:7070")
	}
	if u.Scheme != "https" {
		return "", errors.New("endpoint must start with https://: without TLS the store's answers prove nothing")
	}
	return u.Host, nil
}

// check says what is wrong with the options in themselves.
func (o Options) check() error {
	if err := s3utils.CheckValidBucketNameStrict(o.Bucket); err != nil {
		return fmt.Errorf("%q is no name of a bucket: %w", o.Bucket, err)
	}
	if o.Prefix != "" && (path.Clean("/"+o.Prefix) != "/"+o.Prefix || len(o.Prefix) > 512 || s3utils.CheckValidObjectName(o.Prefix) != nil) {
		return errors.New("the prefix must be names with single slashes between them")
	}
	if !o.PathStyle && strings.Contains(o.Bucket, ".") {
		return errors.New("a bucket with a dot in its name needs path_style=true: no certificate matches its host name")
	}
	switch kind, path, _ := strings.Cut(o.Credentials, ":"); {
	case o.Credentials == "", o.Credentials == "environment", o.Credentials == "instance":
	case kind == "file" && path != "":
	default:
		return errors.New("credentials must be environment, instance or file:PATH")
	}
	return nil
}

// Name is the bucket and the place of it, without how it is reached.
func (o Options) Name() string {
	name := "s3://" + o.Bucket
	if o.Prefix != "" {
		name += "/" + o.Prefix
	}
	return name + " at " + o.host()
}

func (o Options) folder(name string) string {
	if o.Prefix == "" {
		return name
	}
	return o.Prefix + "/" + name
}

func (o Options) region() string {
	if o.Region == "" {
		return defaultRegion
	}
	return o.Region
}

func (o Options) host() string {
	if o.Endpoint == "" {
		return "s3.amazonaws.com"
	}
	return o.Endpoint
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return os.Getenv(name)
	}
	return o.Getenv(name)
}
