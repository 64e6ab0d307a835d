// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// ConfigurationKind is the kind of the configuration file.
const ConfigurationKind = "FailureWatcherConfiguration"

// Load decodes a configuration file strictly, fills the defaults and validates it. The error names every field that is wrong.
func Load(data []byte) (*FailureWatcherConfiguration, error) {
	data, err := document(data)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(data); err != nil {
		return nil, err
	}
	c := &FailureWatcherConfiguration{}
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	if _, _, err := decoder.Decode(data, nil, c); err != nil {
		return nil, decodeError(err)
	}
	SetDefaults_FailureWatcherConfiguration(c)
	if errs := Validate(c); len(errs) > 0 {
		return nil, listError(errs)
	}
	return c, nil
}

// checkDocument looks at what the decoder says nothing helpful about: kind and version, and durations, for whose mistakes it
// names no field.
func checkDocument(data []byte) error {
	var raw any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("the configuration is no YAML: %w", err)
	}
	fields, ok := raw.(map[string]any)
	if !ok {
		return fmt.Errorf("the configuration must be a mapping with apiVersion: %s and kind: %s", GroupVersion, ConfigurationKind)
	}
	var errs field.ErrorList
	errs = append(errs, checkText(fields, "apiVersion", GroupVersion.String())...)
	errs = append(errs, checkText(fields, "kind", ConfigurationKind)...)
	for _, rule := range durationRules(&FailureWatcherConfiguration{}) {
		errs = append(errs, checkDuration(fields, rule)...)
	}
	return listError(errs)
}

// document returns the only YAML document that holds anything. The decoder would take the first and say nothing of the rest.
func document(data []byte) ([]byte, error) {
	var only []byte
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF) && only == nil:
			return nil, fmt.Errorf("the configuration is empty: it must hold one document with apiVersion: %s and kind: %s", GroupVersion, ConfigurationKind)
		case errors.Is(err, io.EOF):
			return only, nil
		case err != nil:
			return nil, fmt.Errorf("the configuration is no YAML: %w", err)
		case !holdsAnything(doc):
		case only != nil:
			return nil, errors.New("the configuration holds more than one YAML document: put all of it into the first and remove the others")
		default:
			only = doc
		}
	}
}

func holdsAnything(doc []byte) bool {
	for line := range strings.Lines(string(doc)) {
		line = strings.TrimSpace(line)
		if line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

func checkText(fields map[string]any, key, want string) field.ErrorList {
	got, there := fields[key]
	switch {
	case !there:
		return field.ErrorList{field.Required(field.NewPath(key), "must be "+want)}
	case got != want:
		return field.ErrorList{field.Invalid(field.NewPath(key), got, "must be "+want)}
	default:
		return nil
	}
}

func checkDuration(fields map[string]any, rule durationRule) field.ErrorList {
	section, ok := fields[rule.path[0]].(map[string]any)
	if !ok {
		return nil
	}
	value, there := section[rule.path[1]]
	if !there || value == nil {
		return nil
	}
	if text, ok := value.(string); ok {
		if _, err := time.ParseDuration(text); err == nil {
			return nil
		}
	}
	return field.ErrorList{field.Invalid(rule.fieldPath(), value, "must be a duration with a unit, such as "+rule.fallback.String())}
}

// decodeError says what a strict decoder's complaint means.
func decodeError(err error) error {
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		texts := make([]string, 0, len(strict.Errors()))
		for _, e := range strict.Errors() {
			texts = append(texts, e.Error())
		}
		return fmt.Errorf("the configuration has unknown or duplicate fields: %s; check the spelling against the example", strings.Join(texts, "; "))
	}
	return fmt.Errorf("decoding the configuration: %w", err)
}

// listError is one line per mistake; nil when there is none.
func listError(errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	lines := make([]string, 0, len(errs))
	for _, e := range errs {
		lines = append(lines, e.Error())
	}
	return fmt.Errorf("the configuration is refused:\n  %s", strings.Join(lines, "\n  "))
}
