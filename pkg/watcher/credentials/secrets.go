// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package credentials finds the logins of BMCs in Secrets. Nothing that a Secret contains may leave it but by the return value: no
// error and no log line quotes it, and nothing is kept.
package credentials

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Secrets reads each login from the API server when it is asked for, so that a rotated one counts at once.
type Secrets struct {
	client    client.Reader
	namespace string
}

// NewSecrets returns a source over the Secrets of one namespace. The client must not have a cache: that would need the right to list
// Secrets and keep them all in memory.
func NewSecrets(c client.Reader, namespace string) *Secrets {
	return &Secrets{client: c, namespace: namespace}
}

// Credentials implements fencing.CredentialSource.
func (s *Secrets) Credentials(ctx context.Context, name string) (username, password string, err error) {
	secret := &corev1.Secret{}
	switch err := s.client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, secret); {
	case apierrors.IsNotFound(err):
		return "", "", fmt.Errorf("there is no Secret %s/%s: create it with the keys %s and %s", s.namespace, name,
			corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
	case apierrors.IsForbidden(err):
		return "", "", fmt.Errorf("reading Secrets in namespace %s is not allowed: apply manifests/base/rbac-watcher.yaml, or adapt its Role to fencing.secretNamespace", s.namespace)
	case err != nil:
		return "", "", fmt.Errorf("reading Secret %s/%s: %w", s.namespace, name, err)
	}
	for _, key := range []string{corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey} {
		if len(secret.Data[key]) == 0 {
			return "", "", fmt.Errorf("the Secret %s/%s has no key %s", s.namespace, name, key)
		}
	}
	return string(secret.Data[corev1.BasicAuthUsernameKey]), string(secret.Data[corev1.BasicAuthPasswordKey]), nil
}
