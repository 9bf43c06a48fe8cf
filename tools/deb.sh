#!/usr/bin/env bash
# Builds a Debian package of what `make install` installs: deb.sh BUILD OUTPUT. The server runs as a
# user of its own; its data stays when the package goes, and goes when it is purged.
set -euo pipefail
build=$1 output=$2
version=$(sed -n 's/^#define MILLRACE_VERSION *"\(.*\)".*/\1/p' server/options.h)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

make --no-print-directory BUILD="$build" DESTDIR="$stage/root" PREFIX=/usr install >/dev/null
strip "$stage/root/usr/bin/millrace"
gzip -9n "$stage/root/usr/share/man/man1/millrace.1"
mv "$stage/root/usr/share/zsh/site-functions" "$stage/root/usr/share/zsh/vendor-completions"
install -D -m 644 LICENSE "$stage/root/usr/share/doc/millrace/copyright"
install -d "$stage/root/lib/systemd/system" "$stage/root/DEBIAN"
sed 's#/usr/local/bin#/usr/bin#' packaging/millrace.service >"$stage/root/lib/systemd/system/millrace.service"
install -D -m 644 packaging/millrace.conf "$stage/root/etc/millrace.conf"
install -m 755 packaging/postinst packaging/prerm packaging/postrm "$stage/root/DEBIAN/"
echo /etc/millrace.conf >"$stage/root/DEBIAN/conffiles"

# What it is linked with says what it depends on.
mkdir "$stage/debian"
printf 'Source: millrace\n\nPackage: millrace\nArchitecture: any\n' >"$stage/debian/control"
depends=$(cd "$stage" && dpkg-shlibdeps -O -eroot/usr/bin/millrace 2>/dev/null | sed 's/^shlibs:Depends=//')
cat >"$stage/root/DEBIAN/control" <<CONTROL
Package: millrace
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: The Millrace authors <millrace@localhost>
Depends: $depends, passwd
Section: net
Priority: optional
Installed-Size: $(du -sk "$stage/root" | cut -f1)
Description: persistent streaming server for NATS clients
 Speaks the NATS and JetStream protocols. What it has acknowledged is on disk.
 One binary holds the server and its command line.
CONTROL
mkdir -p "$output"
dpkg-deb --root-owner-group --build "$stage/root" "$output/millrace_${version}_$(dpkg --print-architecture).deb"
