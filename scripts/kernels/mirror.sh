# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced: the Debian mirror that the user's own apt trusts.

# Of the first release that matches $1 (bookworm, bookworm-security); $2 when there is none.
find_mirror() {
	local uri
	# shellcheck disable=SC2016 # apt's own placeholders, not the shell's
	uri=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -v release="$1" '$1 == "Debian" && $2 ~ release && $3 == "main" { print $4; exit }')
	echo "${uri:-$2}"
}

main_mirror() {
	echo "${DEBIAN_MIRROR:-$(find_mirror '^[a-z]+$' http://deb.debian.org/debian)}"
}

security_mirror() {
	find_mirror '-security$' http://deb.debian.org/debian-security
}
