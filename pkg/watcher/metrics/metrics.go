// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics holds the metrics of the failure-watcher. They are registered once, with controller-runtime's registry;
// what they count is told to them by the packages that do it.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const namespace = "failure_watcher"

// seconds suits what takes from one power reading to a few attempts at fencing.
var seconds = []float64{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600}

// The metrics.
var (
	// FenceAttempts counts fence IDs for which a power-off was sent.
	FenceAttempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "fence_attempts_total",
		Help: "Power-off actions sent to BMCs, by driver and result (accepted, failed, withheld).",
	}, []string{"driver", "result"})
	// Proofs counts stored proofs.
	Proofs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "proofs_total",
		Help: "Stored proofs that a failed node is off, by kind.",
	}, []string{"kind"})
	// SecondsToProof runs from suspicion to the stored proof.
	SecondsToProof = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "seconds_to_proof", Buckets: seconds,
		Help: "Seconds from the suspicion of a node to the stored proof that it is off.",
	})
	// SecondsToReleased runs from suspicion to the release of each VM.
	SecondsToReleased = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "seconds_to_released", Buckets: seconds,
		Help: "Seconds from the suspicion of a node to the release of a VM's launcher pod, one observation per VM.",
	})
	// FencingReady is 1 while a node's BMC could be used to fence it.
	FencingReady = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "fencing_ready",
		Help: "1 while the BMC of the node is readable and is the right one, else 0.",
	}, []string{"node"})
	// PowerReads counts readings of BMCs.
	PowerReads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "power_reads_total",
		Help: "Readings of BMCs, by result (On, Off, Transitional, Unknown, error).",
	}, []string{"result"})
	// Effects counts the writes that decisions asked for.
	Effects = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "effects_total",
		Help: "Writes asked for by decisions, by kind and result (done, failed, refused).",
	}, []string{"kind", "result"})
	// Leading is 1 in the process that leads.
	Leading = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "leading",
		Help: "1 while this process leads, else 0.",
	})
)

func init() {
	ctrlmetrics.Registry.MustRegister(FenceAttempts, Proofs, SecondsToProof, SecondsToReleased, FencingReady, PowerReads, Effects, Leading)
}

// Phases are all phases, so that a phase without incidents reads 0 and not nothing.
var Phases = []failurev1alpha1.Phase{
	failurev1alpha1.PhaseSuspect, failurev1alpha1.PhaseConfirmed, failurev1alpha1.PhaseFencing,
	failurev1alpha1.PhaseAwaitManual, failurev1alpha1.PhaseFenced, failurev1alpha1.PhaseReleasing,
	failurev1alpha1.PhaseRecovering, failurev1alpha1.PhaseReturning, failurev1alpha1.PhaseClosed,
}

// Live reports what is known at the moment of the scrape.
type Live struct {
	// Incidents returns the number of NodeFailures by phase.
	Incidents func() map[failurev1alpha1.Phase]int
	// Gaps returns how often the API server fell silent.
	Gaps func() int
	// Nodes returns how many nodes are watched.
	Nodes func() int
}

var (
	incidentsDesc = prometheus.NewDesc(namespace+"_incidents", "NodeFailures by phase.", []string{"phase"}, nil)
	gapsDesc      = prometheus.NewDesc(namespace+"_api_gaps_total", "How often the API server was silent for too long to trust the lease clocks.", nil, nil)
	nodesDesc     = prometheus.NewDesc(namespace+"_nodes", "Nodes watched.", nil, nil)
)

// Describe implements prometheus.Collector.
func (l Live) Describe(ch chan<- *prometheus.Desc) {
	ch <- incidentsDesc
	ch <- gapsDesc
	ch <- nodesDesc
}

// Collect implements prometheus.Collector.
func (l Live) Collect(ch chan<- prometheus.Metric) {
	incidents := l.Incidents()
	for _, phase := range Phases {
		ch <- prometheus.MustNewConstMetric(incidentsDesc, prometheus.GaugeValue, float64(incidents[phase]), string(phase))
	}
	ch <- prometheus.MustNewConstMetric(gapsDesc, prometheus.CounterValue, float64(l.Gaps()))
	ch <- prometheus.MustNewConstMetric(nodesDesc, prometheus.GaugeValue, float64(l.Nodes()))
}

// Register adds the live metrics.
func (l Live) Register() error { return ctrlmetrics.Registry.Register(l) }
