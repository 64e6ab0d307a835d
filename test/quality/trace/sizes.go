// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package trace

const (
	gib = int64(1) << 30
	// hugePage is the page size of the huge pages of hosts and guests here.
	hugePage = int64(2) << 20
)

// Kind groups flavours for people.
type Kind string

// The kinds of VMs.
const (
	Small     Kind = "small"     // up to 2 vCPUs
	Medium    Kind = "medium"    // 3 to 8 vCPUs
	Large     Kind = "large"     // more
	HugePages Kind = "hugepages" // any size, memory in huge pages, shared CPUs
	Dedicated Kind = "dedicated" // any size, CPUs of its own; with or without huge pages
)

// Flavour is a size of VM and how often it comes.
type Flavour struct {
	// Name is that of an instance type of KubeVirt's common-instancetypes where there is one of this size.
	Name string
	Kind Kind
	// VCPUs is what the guest sees.
	VCPUs int64
	// Memory in bytes, as the guest sees it.
	Memory int64
	// HugePages is true when the memory is in huge pages of 2 MiB.
	HugePages bool
	// Dedicated is true when every vCPU, and the emulator, has a host CPU of its own.
	Dedicated bool
	// PerMille is the flavour's share of all VMs.
	PerMille int
}

// Flavours are the sizes of VMs. Their marginal distributions follow what Microsoft published of all of Azure's VMs of
// 2019 (AzurePublicDataset, analysis/Azure 2019 Public Dataset V2 - Trace Analysis.ipynb, the bars "Azure 2019"), read
// off to a percent point; sizes_test.go holds them to it. The sizes are those of kubevirt/common-instancetypes (series
// u, m, cx, d), and three that those lack and Azure has. Public clouds say nothing of huge pages and dedicated CPUs:
// 3 % of VMs each is our assumption.
func Flavours() []Flavour {
	return []Flavour{
		{Name: "u1.micro", Kind: Small, VCPUs: 1, Memory: 1 * gib, PerMille: 60},
		{Name: "u1.small", Kind: Small, VCPUs: 1, Memory: 2 * gib, PerMille: 60},
		{Name: "u1.medium", Kind: Small, VCPUs: 1, Memory: 4 * gib, PerMille: 80},
		{Name: "u1.2xmedium", Kind: Small, VCPUs: 2, Memory: 4 * gib, PerMille: 80},
		{Name: "u1.large", Kind: Small, VCPUs: 2, Memory: 8 * gib, PerMille: 250},
		{Name: "e2", Kind: Small, VCPUs: 2, Memory: 16 * gib, PerMille: 20},
		{Name: "f4", Kind: Medium, VCPUs: 4, Memory: 8 * gib, PerMille: 40},
		{Name: "u1.xlarge", Kind: Medium, VCPUs: 4, Memory: 16 * gib, PerMille: 155},
		{Name: "u1.2xlarge", Kind: Medium, VCPUs: 8, Memory: 32 * gib, PerMille: 90},
		{Name: "e8", Kind: Medium, VCPUs: 8, Memory: 64 * gib, PerMille: 15},
		{Name: "u1.4xlarge", Kind: Large, VCPUs: 16, Memory: 64 * gib, PerMille: 55},
		{Name: "m1.4xlarge", Kind: HugePages, VCPUs: 16, Memory: 128 * gib, HugePages: true, PerMille: 5},
		{Name: "u1.8xlarge", Kind: Large, VCPUs: 32, Memory: 128 * gib, PerMille: 5},
		{Name: "m1.large", Kind: HugePages, VCPUs: 2, Memory: 16 * gib, HugePages: true, PerMille: 10},
		{Name: "m1.xlarge", Kind: HugePages, VCPUs: 4, Memory: 32 * gib, HugePages: true, PerMille: 10},
		{Name: "m1.2xlarge", Kind: HugePages, VCPUs: 8, Memory: 64 * gib, HugePages: true, PerMille: 5},
		{Name: "cx1.large", Kind: Dedicated, VCPUs: 2, Memory: 4 * gib, HugePages: true, Dedicated: true, PerMille: 10},
		{Name: "d1.large", Kind: Dedicated, VCPUs: 2, Memory: 8 * gib, Dedicated: true, PerMille: 10},
		{Name: "cx1.xlarge", Kind: Dedicated, VCPUs: 4, Memory: 8 * gib, HugePages: true, Dedicated: true, PerMille: 20},
		{Name: "d1.xlarge", Kind: Dedicated, VCPUs: 4, Memory: 16 * gib, Dedicated: true, PerMille: 10},
		{Name: "cx1.2xlarge", Kind: Dedicated, VCPUs: 8, Memory: 16 * gib, HugePages: true, Dedicated: true, PerMille: 10},
	}
}

// bucket is one bar of a published distribution: the percentage of VMs with more than the bucket before has and at
// most UpTo.
type bucket struct {
	upTo    int64
	percent float64
}

// Azure2019Cores and azure2019Memory (in GiB) are the bars that Flavours follow.
var (
	azure2019Cores = []bucket{{2, 58}, {4, 23}, {8, 12}, {24, 6.5}, {1 << 20, 0.5}}
	// The last two bars are one here: guests of more than 64 GiB are 3 % in the source.
	azure2019Memory = []bucket{{2, 12}, {4, 17}, {8, 32}, {32, 29}, {1 << 20, 10}}
)
