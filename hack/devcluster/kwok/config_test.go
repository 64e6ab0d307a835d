// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package kwok

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func TestConfigHoldsTheStages(t *testing.T) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(Config()), 4096)
	var got []string
	for {
		var stage unstructured.Unstructured
		err := decoder.Decode(&stage.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if stage.GetKind() != "Stage" {
			t.Errorf("kind %q, want Stage", stage.GetKind())
		}
		got = append(got, stage.GetName())
	}
	if diff := cmp.Diff([]string{"node-ready", "node-heartbeat", "pod-ready", "pod-delete"}, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}
