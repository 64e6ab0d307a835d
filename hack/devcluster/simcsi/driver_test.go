// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simcsi

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var epoch = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

type attachmentBuilder struct{ o storagev1.VolumeAttachment }

// makeAttachment is one that the attacher has seen, made a second before the epoch.
func makeAttachment(name, node string) *attachmentBuilder {
	return &attachmentBuilder{storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(epoch.Add(-time.Second)),
			Finalizers: []string{attachFinalizer},
		},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: Driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr.To("pv")},
		},
	}}
}

func (b *attachmentBuilder) New() *attachmentBuilder {
	b.o.Finalizers = nil
	return b
}

func (b *attachmentBuilder) Made(at time.Time) *attachmentBuilder {
	b.o.CreationTimestamp = metav1.NewTime(at)
	return b
}

func (b *attachmentBuilder) Attached() *attachmentBuilder {
	b.o.Status.Attached = true
	return b
}

func (b *attachmentBuilder) Deleting(at time.Time) *attachmentBuilder {
	t := metav1.NewTime(at)
	b.o.DeletionTimestamp = &t
	return b
}

func (b *attachmentBuilder) Obj() storagev1.VolumeAttachment { return b.o }

func TestNextAttach(t *testing.T) {
	ms := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }
	tests := map[string]struct {
		va     storagev1.VolumeAttachment
		others []storagev1.VolumeAttachment
		shared bool
		want   attachStep
	}{
		"new":                     {va: makeAttachment("x", "b").New().Obj(), want: attachStep{Hold: true}},
		"held, too early":         {va: makeAttachment("x", "b").Made(ms(-50)).Obj(), want: attachStep{After: 150 * time.Millisecond}},
		"held, time has come":     {va: makeAttachment("x", "b").Obj(), want: attachStep{Attach: true}},
		"attached":                {va: makeAttachment("x", "b").Attached().Obj()},
		"deleted, too early":      {va: makeAttachment("x", "b").Attached().Deleting(ms(-20)).Obj(), want: attachStep{After: 180 * time.Millisecond}},
		"deleted, detached":       {va: makeAttachment("x", "b").Attached().Deleting(ms(-900)).Obj(), want: attachStep{LetGo: true}},
		"deleted, never seen":     {va: makeAttachment("x", "b").New().Deleting(ms(-900)).Obj()},
		"deleted, never attached": {va: makeAttachment("x", "b").Deleting(ms(-900)).Obj(), want: attachStep{LetGo: true}},
		"another node has it": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Made(ms(0)).Attached().Obj()},
			want: attachStep{Refuse: "volume is still attached to node a (y)", After: retryTime},
		},
		"another node is being detached": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Attached().Deleting(ms(0)).Obj()},
			want: attachStep{Refuse: "volume is still attached to node a (y)", After: retryTime},
		},
		"another node asked earlier": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Made(ms(-2000)).Obj()},
			want: attachStep{Refuse: "volume is still attached to node a (y)", After: retryTime},
		},
		"another node asked later": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Made(ms(0)).Obj()},
			want: attachStep{Attach: true},
		},
		"both asked in the same second: one of them gets it": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Obj()},
			want: attachStep{Attach: true},
		},
		"both asked in the same second: the other does not": {
			va: makeAttachment("y", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("x", "a").Obj()},
			want: attachStep{Refuse: "volume is still attached to node a (x)", After: retryTime},
		},
		"shared volume": {
			va: makeAttachment("x", "b").Obj(), others: []storagev1.VolumeAttachment{makeAttachment("y", "a").Attached().Obj()},
			shared: true, want: attachStep{Attach: true},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := nextAttach(&tc.va, append(tc.others, tc.va), tc.shared, epoch)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}

func makeClaim() *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "disk", UID: "uid", Annotations: map[string]string{provisionerAnnotation: Driver},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeMode: ptr.To(corev1.PersistentVolumeBlock),
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceStorage: resource.MustParse("10Gi"),
			}},
		},
	}
}

func TestWanted(t *testing.T) {
	wait := ptr.To(storagev1.VolumeBindingWaitForFirstConsumer)
	tests := map[string]struct {
		change func(*corev1.PersistentVolumeClaim, *storagev1.StorageClass)
		want   bool
	}{
		"ours":        {change: func(*corev1.PersistentVolumeClaim, *storagev1.StorageClass) {}, want: true},
		"not claimed": {change: func(c *corev1.PersistentVolumeClaim, _ *storagev1.StorageClass) { c.Annotations = nil }},
		"bound":       {change: func(c *corev1.PersistentVolumeClaim, _ *storagev1.StorageClass) { c.Spec.VolumeName = "pv" }},
		"another's":   {change: func(_ *corev1.PersistentVolumeClaim, s *storagev1.StorageClass) { s.Provisioner = "other" }},
		"being deleted": {change: func(c *corev1.PersistentVolumeClaim, _ *storagev1.StorageClass) {
			c.DeletionTimestamp = ptr.To(metav1.NewTime(epoch))
		}},
		"waits for a consumer": {change: func(_ *corev1.PersistentVolumeClaim, s *storagev1.StorageClass) { s.VolumeBindingMode = wait }},
		"has its consumer": {change: func(c *corev1.PersistentVolumeClaim, s *storagev1.StorageClass) {
			s.VolumeBindingMode = wait
			c.Annotations[selectedNodeAnnotation] = "a"
		}, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			claim, class := makeClaim(), &storagev1.StorageClass{Provisioner: Driver}
			tc.change(claim, class)
			if got := wanted(claim, class); got != tc.want {
				t.Errorf("wanted = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestProvisionAndReclaim(t *testing.T) {
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "sim"}, Provisioner: Driver}
	pv := provision(makeClaim(), class)
	if got := pv.Spec.Capacity[corev1.ResourceStorage]; got.String() != "10Gi" {
		t.Errorf("capacity %s, want 10Gi", got.String())
	}
	if pv.Spec.ClaimRef.UID != "uid" || *pv.Spec.VolumeMode != corev1.PersistentVolumeBlock || pv.Spec.StorageClassName != "sim" ||
		pv.Spec.CSI.VolumeHandle != "pvc-uid" || sharedVolume(pv) {
		t.Errorf("volume %+v", pv.Spec)
	}
	if reclaimable(pv, nil) {
		t.Error("a volume in use is reclaimed")
	}
	pv.Status.Phase = corev1.VolumeReleased
	if !reclaimable(pv, nil) {
		t.Error("a released volume is not reclaimed")
	}
	if reclaimable(pv, []storagev1.VolumeAttachment{makeAttachment("x", "a").Attached().Obj()}) {
		t.Error("an attached volume is reclaimed")
	}
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	if reclaimable(pv, nil) {
		t.Error("a volume to be retained is reclaimed")
	}
}

func TestCSINodeIsOwnedByItsNode(t *testing.T) {
	got := csiNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "node-uid"}})
	if got.Name != "a" || got.OwnerReferences[0].UID != "node-uid" || got.Spec.Drivers[0].Name != Driver {
		t.Errorf("CSINode %+v", got)
	}
}
