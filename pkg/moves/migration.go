// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// migrationObject is KubeVirt's.
type migrationObject = kubevirtv1.VirtualMachineInstanceMigration

// migration is all that is kept of a VirtualMachineInstanceMigration. It is not changed once it is made.
type migration struct {
	metav1.ObjectMeta
	vmi      string
	phase    kubevirtv1.VirtualMachineInstanceMigrationPhase
	deleting bool
	// source is the node that the VM leaves. KubeVirt names it when the migration has ended, and until then, with sourcePod, the pod alone.
	source, sourcePod string
	ours              *purpose
}

// keep is the transform of the informer. Of what has ended and is not ours nothing is left but its name.
func keep(obj any) (any, error) {
	m, ok := obj.(*migrationObject)
	if !ok {
		return obj, nil
	}
	kept := stripped(m)
	if kept.ended() && kept.ours == nil {
		return &migration{ObjectMeta: kept.ObjectMeta, phase: kept.phase}, nil
	}
	return kept, nil
}

func stripped(m *migrationObject) *migration {
	kept := &migration{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, CreationTimestamp: m.CreationTimestamp,
		},
		vmi: m.Spec.VMIName, phase: m.Status.Phase, deleting: m.DeletionTimestamp != nil, ours: purposeOf(m),
	}
	if state := m.Status.MigrationState; state != nil && !kept.ended() {
		kept.source, kept.sourcePod = state.SourceNode, state.SourcePod
	}
	if kept.ours != nil {
		kept.source = kept.ours.node
	}
	return kept
}

func (m *migration) key() types.NamespacedName {
	return types.NamespacedName{Namespace: m.Namespace, Name: m.Name}
}

func (m *migration) vm() types.NamespacedName {
	return types.NamespacedName{Namespace: m.Namespace, Name: m.vmi}
}

func (m *migration) guest() guest { return guest{m.vm(), m.ours.vmi} }

// ended is true once KubeVirt does nothing more for it.
func (m *migration) ended() bool {
	return m.phase == kubevirtv1.MigrationSucceeded || m.phase == kubevirtv1.MigrationFailed
}

func (m *migration) succeeded() bool { return m.phase == kubevirtv1.MigrationSucceeded }

// live is true while it may move its VM and nobody has taken it back.
func (m *migration) live() bool { return !m.ended() && !m.deleting }

func (m *migration) created() time.Time { return m.CreationTimestamp.Time }

// index holds what is known of migrations: those that have not ended, and all of ours.
type index struct {
	all        map[types.NamespacedName]*migration
	ours       map[types.UID]map[types.NamespacedName]*migration            // by the preemptor
	ofVM       map[types.NamespacedName]map[types.NamespacedName]*migration // by the VirtualMachineInstance
	unfinished map[types.NamespacedName]*migration
	uids       map[types.UID]bool // of ours
}

func newIndex() index {
	return index{
		all: map[types.NamespacedName]*migration{}, ours: map[types.UID]map[types.NamespacedName]*migration{},
		ofVM: map[types.NamespacedName]map[types.NamespacedName]*migration{}, unfinished: map[types.NamespacedName]*migration{},
		uids: map[types.UID]bool{},
	}
}

func (i *index) set(m *migration) {
	i.remove(m.key())
	if m.ended() && m.ours == nil {
		return
	}
	i.all[m.key()] = m
	into(i.ofVM, m.vm(), m)
	if !m.ended() {
		i.unfinished[m.key()] = m
	}
	if m.ours != nil {
		into(i.ours, m.ours.preemptor.uid, m)
		i.uids[m.UID] = true
	}
}

func (i *index) remove(key types.NamespacedName) {
	m, ok := i.all[key]
	if !ok {
		return
	}
	delete(i.all, key)
	delete(i.unfinished, key)
	outOf(i.ofVM, m.vm(), key)
	if m.ours != nil {
		outOf(i.ours, m.ours.preemptor.uid, key)
		delete(i.uids, m.UID)
	}
}

func into[K comparable](groups map[K]map[types.NamespacedName]*migration, group K, m *migration) {
	if groups[group] == nil {
		groups[group] = map[types.NamespacedName]*migration{}
	}
	groups[group][m.key()] = m
}

func outOf[K comparable](groups map[K]map[types.NamespacedName]*migration, group K, key types.NamespacedName) {
	delete(groups[group], key)
	if len(groups[group]) == 0 {
		delete(groups, group)
	}
}
