package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

const (
	envPrefix = "TEIKYO_"
	maxFile   = 1 << 20 // bytes
)

// Sources are where settings come from.
type Sources struct {
	// File is the YAML file; empty for none.
	File string
	// Environ is the environment as of os.Environ.
	Environ []string
	// Flags are settings given on the command line, by name.
	Flags map[string]string
}

// Loaded is a configuration and where each setting of it comes from.
type Loaded struct {
	Config
	origins map[string]string // by name: words such as "environment TEIKYO_LISTEN"
}

// Load reads the settings and fills in what was left out. An unknown name is an
// error, because a misspelt setting would silently have no effect. Errors name
// the setting, and the line of the file.
func Load(src Sources) (Loaded, error) {
	l := Loaded{origins: map[string]string{}}
	k := koanf.New(".")
	for _, layer := range []func(*koanf.Koanf, Sources) error{l.addFile, l.addEnvironment, l.addFlags} {
		if err := layer(k, src); err != nil {
			return Loaded{}, err
		}
	}
	if err := l.decode(k); err != nil {
		return Loaded{}, err
	}
	l.Config = l.WithDefaults()
	if err := l.Check(); err != nil {
		var wrong *wrongSetting
		if errors.As(err, &wrong) {
			return Loaded{}, fmt.Errorf("%w (from %s)", err, l.Origin(wrong.name))
		}
		return Loaded{}, err
	}
	return l, nil
}

// Origin says in words where a setting comes from.
func (l Loaded) Origin(name string) string {
	if words, ok := l.origins[name]; ok {
		return words
	}
	return "default"
}

// Names are the names of all settings, in the order of Config.
func Names() []string { return namesOf(reflect.TypeFor[Config](), "") }

func namesOf(t reflect.Type, prefix string) []string {
	var names []string
	for field := range t.Fields() {
		name := prefix + field.Tag.Get("koanf")
		if field.Type.Kind() == reflect.Struct {
			names = append(names, namesOf(field.Type, name+".")...)
			continue
		}
		names = append(names, name)
	}
	return names
}

// EnvironmentName is the variable that sets a setting.
func EnvironmentName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

func (l *Loaded) addFile(k *koanf.Koanf, src Sources) error {
	if src.File == "" {
		return nil
	}
	text, err := readFile(src.File)
	if err != nil {
		return err
	}
	lines, err := linesOf(text)
	if err != nil {
		return fmt.Errorf("%s: %w", src.File, err)
	}
	for _, found := range lines {
		if !found.group && !slices.Contains(Names(), found.name) {
			return fmt.Errorf("%s line %d: there is no setting %q%s", src.File, found.line, found.name, suggestion(found.name))
		}
		l.origins[found.name] = fmt.Sprintf("%s line %d", src.File, found.line)
	}
	values, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return fmt.Errorf("%s: %w", src.File, err)
	}
	return k.Load(confmap.Provider(values, "."), nil)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB: that is no configuration file", path)
	}
	return text, nil
}

// addEnvironment takes the variables TEIKYO_…, but for those that the command
// line uses and those that Kubernetes sets for a service named teikyo.
func (l *Loaded) addEnvironment(k *koanf.Koanf, src Sources) error {
	byVariable := map[string]string{}
	for _, name := range Names() {
		byVariable[EnvironmentName(name)] = name
	}
	var unknown error
	provider := env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return src.Environ },
		TransformFunc: func(variable, value string) (string, any) {
			name, ok := byVariable[variable]
			if !ok {
				if !otherUse(variable) {
					unknown = fmt.Errorf("the environment variable %s is no setting%s", variable, suggestion(strings.ToLower(strings.TrimPrefix(variable, envPrefix))))
				}
				return "", nil
			}
			l.origins[name] = "environment " + variable
			return name, value
		},
	})
	if err := k.Load(provider, nil); err != nil {
		return err
	}
	return unknown
}

func otherUse(variable string) bool {
	switch variable {
	case "TEIKYO_SERVER", "TEIKYO_TOKEN_FILE", "TEIKYO_CONFIG_DIR", "TEIKYO_CONFIG":
		return true
	}
	return strings.HasPrefix(variable, "TEIKYO_SERVICE_") || strings.HasPrefix(variable, "TEIKYO_PORT")
}

func (l *Loaded) addFlags(k *koanf.Koanf, src Sources) error {
	values := map[string]any{}
	for name, value := range src.Flags {
		values[name] = value
		l.origins[name] = "flag --" + strings.ReplaceAll(name, "_", "-")
	}
	return k.Load(confmap.Provider(values, "."), nil)
}

// decode fills the structure. Text from the environment and flags becomes what
// the setting is: a list is separated by commas, a time is like 90s or 72h.
func (l *Loaded) decode(k *koanf.Koanf) error {
	for _, name := range Names() {
		if err := decodeOne(k, name); err != nil {
			return fmt.Errorf("the setting %s (from %s) cannot be read: %w", name, l.Origin(name), err)
		}
	}
	return k.UnmarshalWithConf("", &l.Config, koanf.UnmarshalConf{DecoderConfig: decoder(&l.Config)})
}

// decodeOne tries one setting alone, so that an error can name it.
func decodeOne(k *koanf.Koanf, name string) error {
	if !k.Exists(name) {
		return nil
	}
	one := koanf.New(".")
	if err := one.Load(confmap.Provider(map[string]any{name: k.Get(name)}, "."), nil); err != nil {
		return err
	}
	var ignored Config
	err := one.UnmarshalWithConf("", &ignored, koanf.UnmarshalConf{DecoderConfig: decoder(&ignored)})
	if err == nil {
		return nil
	}
	if name == "database.url" || name == "kek.passphrase" { // the value may be a password
		return errors.New("it must be a text")
	}
	return errors.New(strings.TrimSpace(lastLine(err.Error())))
}

func lastLine(s string) string { return s[strings.LastIndexByte(strings.TrimSpace(s), '\n')+1:] }

func decoder(into *Config) *mapstructure.DecoderConfig {
	return &mapstructure.DecoderConfig{
		Result: into, TagName: "koanf", ErrorUnused: true, WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			durationsHaveUnits, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}
}

// durationsHaveUnits refuses a bare number, which would count nanoseconds.
func durationsHaveUnits(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String {
		return nil, errors.New("write a time with its unit, such as 90s or 72h")
	}
	return value, nil
}
