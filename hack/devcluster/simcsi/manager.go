// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simcsi

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// volumeIndex finds VolumeAttachments by their volume.
const volumeIndex = "spec.source.persistentVolumeName"

// Driver's three sidecars, each a reconciler.
type (
	provisioner struct{ client client.Client }
	attacher    struct {
		client client.Client
		clock  clock.PassiveClock
	}
	registrar struct{ client client.Client }
)

// NewScheme knows the kinds that the driver reads and writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, storagev1.AddToScheme(scheme)
}

// NewManager makes the manager that runs the driver; Start lets it work.
func NewManager(ctx context.Context, config *rest.Config, clk clock.PassiveClock) (ctrl.Manager, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return nil, fmt.Errorf("sim-csi: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &storagev1.VolumeAttachment{}, volumeIndex, byVolume); err != nil {
		return nil, err
	}
	c := mgr.GetClient()
	err = ctrl.NewControllerManagedBy(mgr).Named("provisioner").
		For(&corev1.PersistentVolumeClaim{}).
		Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(claimOf)).
		Watches(&storagev1.VolumeAttachment{}, handler.EnqueueRequestsFromMapFunc((&provisioner{c}).claimOfAttachment)).
		Complete(&provisioner{c})
	if err != nil {
		return nil, err
	}
	// Every attachment of a volume waits for the ones before it.
	siblings := handler.EnqueueRequestsFromMapFunc((&attacher{client: c}).siblings)
	err = ctrl.NewControllerManagedBy(mgr).Named("attacher").
		For(&storagev1.VolumeAttachment{}).
		Watches(&storagev1.VolumeAttachment{}, siblings, builder.WithPredicates(onlyDeletes())).
		Complete(&attacher{c, clk})
	if err != nil {
		return nil, err
	}
	return mgr, ctrl.NewControllerManagedBy(mgr).Named("registrar").
		For(&corev1.Node{}).Owns(&storagev1.CSINode{}, builder.MatchEveryOwner).
		Complete(&registrar{c})
}

func onlyDeletes() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}

func byVolume(o client.Object) []string {
	if name := o.(*storagev1.VolumeAttachment).Spec.Source.PersistentVolumeName; name != nil {
		return []string{*name}
	}
	return nil
}

func claimOf(_ context.Context, o client.Object) []reconcile.Request {
	ref := o.(*corev1.PersistentVolume).Spec.ClaimRef
	if ref == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}}}
}

func (p *provisioner) claimOfAttachment(ctx context.Context, o client.Object) []reconcile.Request {
	for _, name := range byVolume(o) {
		var pv corev1.PersistentVolume
		if err := p.client.Get(ctx, types.NamespacedName{Name: name}, &pv); err == nil {
			return claimOf(ctx, &pv)
		}
	}
	return nil
}

func (a *attacher) siblings(ctx context.Context, o client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, name := range byVolume(o) {
		same, err := attachments(ctx, a.client, name)
		if err != nil {
			return nil // the refused ones ask again by themselves
		}
		for i := range same {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Name: same[i].Name}})
		}
	}
	return out
}

func attachments(ctx context.Context, c client.Reader, volume string) ([]storagev1.VolumeAttachment, error) {
	var list storagev1.VolumeAttachmentList
	err := c.List(ctx, &list, client.MatchingFields{volumeIndex: volume})
	return list.Items, err
}

// Reconcile provides for one claim, or deletes the volume of one that is gone.
func (p *provisioner) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var pvc corev1.PersistentVolumeClaim
	err := p.client.Get(ctx, req.NamespacedName, &pvc)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, p.reclaim(ctx, req.NamespacedName)
	}
	if err != nil || pvc.Spec.StorageClassName == nil || *pvc.Spec.StorageClassName == "" {
		return ctrl.Result{}, err
	}
	var class storagev1.StorageClass
	if err := p.client.Get(ctx, types.NamespacedName{Name: *pvc.Spec.StorageClassName}, &class); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !wanted(&pvc, &class) {
		return ctrl.Result{}, nil
	}
	err = p.client.Create(ctx, provision(&pvc, &class))
	if apierrors.IsAlreadyExists(err) {
		err = nil
	}
	return ctrl.Result{}, err
}

func (p *provisioner) reclaim(ctx context.Context, claim types.NamespacedName) error {
	var volumes corev1.PersistentVolumeList
	if err := p.client.List(ctx, &volumes); err != nil {
		return err
	}
	for i := range volumes.Items {
		pv := &volumes.Items[i]
		if ref := pv.Spec.ClaimRef; ref == nil || ref.Namespace != claim.Namespace || ref.Name != claim.Name {
			continue
		}
		same, err := attachments(ctx, p.client, pv.Name)
		if err != nil {
			return err
		}
		if reclaimable(pv, same) {
			if err := p.client.Delete(ctx, pv); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	return nil
}

// Reconcile does the next thing about one VolumeAttachment.
func (a *attacher) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var va storagev1.VolumeAttachment
	if err := a.client.Get(ctx, req.NamespacedName, &va); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if va.Spec.Attacher != Driver || va.Spec.Source.PersistentVolumeName == nil {
		return ctrl.Result{}, nil
	}
	var pv corev1.PersistentVolume
	name := *va.Spec.Source.PersistentVolumeName
	if err := a.client.Get(ctx, types.NamespacedName{Name: name}, &pv); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	same, err := attachments(ctx, a.client, name)
	if err != nil {
		return ctrl.Result{}, err
	}
	step := nextAttach(&va, same, sharedVolume(&pv), a.clock.Now())
	return ctrl.Result{RequeueAfter: step.After}, a.write(ctx, &va, step)
}

func (a *attacher) write(ctx context.Context, va *storagev1.VolumeAttachment, step attachStep) error {
	base := va.DeepCopy()
	// The lock makes one that has changed since be looked at again: above all one that is being deleted.
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	switch {
	case step.Hold:
		controllerutil.AddFinalizer(va, attachFinalizer)
		return a.client.Patch(ctx, va, patch)
	case step.LetGo:
		controllerutil.RemoveFinalizer(va, attachFinalizer)
		return client.IgnoreNotFound(a.client.Patch(ctx, va, patch))
	case step.Attach:
		va.Status.Attached, va.Status.AttachError = true, nil
		return a.client.Status().Patch(ctx, va, patch)
	case step.Refuse != "":
		if e := va.Status.AttachError; e != nil && e.Message == step.Refuse {
			return nil
		}
		va.Status.AttachError = &storagev1.VolumeError{Time: metav1.NewTime(a.clock.Now()), Message: step.Refuse}
		return a.client.Status().Patch(ctx, va, patch)
	}
	return nil
}

// Reconcile registers the driver on one node.
func (r *registrar) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var node corev1.Node
	if err := r.client.Get(ctx, req.NamespacedName, &node); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var have storagev1.CSINode
	err := r.client.Get(ctx, req.NamespacedName, &have)
	if apierrors.IsNotFound(err) {
		err = r.client.Create(ctx, csiNode(&node))
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
		return ctrl.Result{}, err
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, d := range have.Spec.Drivers {
		if d.Name == Driver {
			return ctrl.Result{}, nil
		}
	}
	base := have.DeepCopy()
	have.Spec.Drivers = append(have.Spec.Drivers, csiNode(&node).Spec.Drivers...)
	return ctrl.Result{}, r.client.Patch(ctx, &have, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
}
