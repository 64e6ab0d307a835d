// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestCredentials(t *testing.T) {
	secret := func(data map[string]string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "bmc"}, Data: map[string][]byte{}}
		for key, value := range data {
			s.Data[key] = []byte(value)
		}
		return s
	}
	tests := map[string]struct {
		secret *corev1.Secret
		fail   error
		want   string
	}{
		"good":        {secret: secret(map[string]string{"username": "admin", "password": "hunter2"})},
		"none":        {want: "there is no Secret ns/bmc: create it with the keys username and password"},
		"no password": {secret: secret(map[string]string{"username": "admin"}), want: "the Secret ns/bmc has no key password"},
		"no username": {secret: secret(map[string]string{"password": "hunter2"}), want: "the Secret ns/bmc has no key username"},
		"forbidden": {
			fail: apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "bmc", errors.New("no")),
			want: "reading Secrets in namespace ns is not allowed: apply manifests/base/rbac-watcher.yaml, or adapt its Role to fencing.secretNamespace",
		},
		"unavailable": {fail: apierrors.NewServiceUnavailable("away"), want: "reading Secret ns/bmc: away"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			builder := fake.NewClientBuilder()
			if tc.secret != nil {
				builder = builder.WithObjects(tc.secret)
			}
			if tc.fail != nil {
				builder = builder.WithInterceptorFuncs(interceptor.Funcs{
					Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
						return tc.fail
					},
				})
			}
			username, password, err := NewSecrets(builder.Build(), "ns").Credentials(t.Context(), "bmc")
			if tc.want == "" {
				if err != nil || username != "admin" || password != "hunter2" {
					t.Errorf("Credentials() = %q, %q, %v", username, password, err)
				}
				return
			}
			if err == nil || err.Error() != tc.want {
				t.Errorf("error = %v, want %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error quotes the password")
			}
		})
	}
}
