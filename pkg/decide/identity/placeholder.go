// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package identity

// placeholders are UUIDs that firmware tells where nobody has set one. Many machines tell the same, so a match with one
// of them says nothing. Each is listed in one byte order and recognised in both.
var placeholders = map[string]string{
	"03000200-0400-0500-0006-000700080009": "American Megatrends firmware's default: the words 0002 to 0009 counted up",
	"00010203-0405-0607-0809-0a0b0c0d0e0f": "the bytes 00 to 0f counted up",
	"01020304-0506-0708-090a-0b0c0d0e0f10": "the bytes 01 to 10 counted up",
	"12345678-1234-5678-90ab-cddeefaabbcc": "a sample value of board vendors' flashing tools",
	"12345678-1234-1234-1234-123456789abc": "a sample value of board vendors' flashing tools",
	"12345678-1234-5678-1234-567812345678": "a sample value of UUID documentation",
	"12345678-90ab-cdef-1234-567890abcdef": "a sample value of documentation",
	"01234567-89ab-cdef-0123-456789abcdef": "the digits counted up",
	"deadbeef-dead-beef-dead-beefdeadbeef": "a fill pattern",
}

// parsedPlaceholders are the placeholders by their bytes.
var parsedPlaceholders = func() map[uuid]bool {
	set := make(map[uuid]bool, len(placeholders))
	for text := range placeholders {
		u, ok := parse(text)
		if !ok {
			panic("identity: placeholder " + text + " is no UUID")
		}
		set[u] = true
	}
	return set
}()

// isPlaceholder says whether a UUID identifies no machine: one byte repeated 16 times (SMBIOS itself defines all 00 as
// "not present" and all FF as "not set but settable", DSP0134; others are fill patterns), or a known default. A real UUID
// that is a repeated byte would be one of 2^120.
func isPlaceholder(u uuid) bool {
	repeated := true
	for _, b := range u {
		repeated = repeated && b == u[0]
	}
	return repeated || parsedPlaceholders[u] || parsedPlaceholders[swap(u)]
}
