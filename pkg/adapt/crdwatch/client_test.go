// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package crdwatch

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/gentype"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
)

func migration(name string) *kubevirtv1.VirtualMachineInstanceMigration {
	m := &kubevirtv1.VirtualMachineInstanceMigration{}
	m.Name, m.Namespace, m.Spec.VMIName = name, metav1.NamespaceDefault, "vm"
	return m
}

// What is made from the scheduler's own configuration, which asks for protobuf, writes custom resources, too.
func TestNewClient(t *testing.T) {
	api := simapi.New(t, simapi.Migrations)
	config := api.Config()
	config.ContentType = runtime.ContentTypeProtobuf
	rest, err := NewClient(config, Resource{GroupVersion: kubevirtv1.GroupVersion, Plural: simapi.Migrations.Plural, AddToScheme: kubevirtv1.AddToScheme})
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := kubevirtv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	client := gentype.NewClient(simapi.Migrations.Plural, rest, runtime.NewParameterCodec(scheme), metav1.NamespaceDefault,
		func() *kubevirtv1.VirtualMachineInstanceMigration {
			return &kubevirtv1.VirtualMachineInstanceMigration{}
		})
	ctx := t.Context()

	made, err := client.Create(ctx, migration("a"), metav1.CreateOptions{})
	if err != nil || made.UID == "" {
		t.Fatalf("Create() = UID %q, %v", made.UID, err)
	}
	if _, err := client.Create(ctx, migration("a"), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("Create() of the same name: %v, want that it exists already", err)
	}
	got, err := client.Get(ctx, "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("Get() (-created +got):\n%s", diff)
	}
	if err := client.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("another")}); !apierrors.IsConflict(err) {
		t.Errorf("Delete() of another UID: %v, want a conflict", err)
	}
	if err := client.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(made.UID))}); err != nil {
		t.Errorf("Delete(): %v", err)
	}
	if _, err := client.Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("Get() after its deletion: %v, want that it is not found", err)
	}

	// With a finalizer it stays, and is marked; what stands between may change it, and may lose the answer.
	api.Stand(func(verb string, object simapi.Object, write func() error) error {
		object.SetFinalizers([]string{"a.test/stays"})
		if err := write(); err != nil {
			return err
		}
		return errors.New("lost")
	})
	var status apierrors.APIStatus
	if _, err := client.Create(ctx, migration("b"), metav1.CreateOptions{}); err == nil || errors.As(err, &status) {
		t.Errorf("Create() whose answer is lost: %v, want an error that is no answer", err)
	}
	api.Stand(nil)
	if err := client.Delete(ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Errorf("Delete(): %v", err)
	}
	if got, err = client.Get(ctx, "b", metav1.GetOptions{}); err != nil || got.DeletionTimestamp == nil {
		t.Errorf("Get() of what is held by a finalizer: %v, %v; want it marked as being deleted", got, err)
	}
}
