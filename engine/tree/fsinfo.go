package tree

import (
	"strconv"

	"golang.org/x/sys/unix"
)

type fsKind struct {
	name                          string
	trusted, punch, cloned, holes bool
}

// fsKinds are the file systems that are known by name. Trust in time stamps is given only where they were measured or
// specified to move with every write (consistency 2.1, 2.3); network and overlay file systems have none. Holes are
// believed where the kernel looks at its page cache before it answers.
var fsKinds = map[int64]fsKind{
	unix.EXT4_SUPER_MAGIC:      {"ext4", true, true, false, true},
	unix.XFS_SUPER_MAGIC:       {"xfs", true, true, true, true},
	unix.BTRFS_SUPER_MAGIC:     {"btrfs", true, true, true, true},
	0x2fc12fc1:                 {"zfs", true, true, false, false},
	unix.TMPFS_MAGIC:           {"tmpfs", false, true, false, true},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlay", false, true, false, false},
	unix.F2FS_SUPER_MAGIC:      {"f2fs", false, true, false, false},
	unix.NFS_SUPER_MAGIC:       {"nfs", false, false, false, false},
	unix.FUSE_SUPER_MAGIC:      {"fuse", false, false, false, false},
	unix.RAMFS_MAGIC:           {"ramfs", false, false, false, false},
}

// fsInfo asks for the file system behind fd.
func fsInfo(fd int, dev uint64) (FSInfo, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return FSInfo{}, err
	}
	kind := int64(st.Type)
	info := FSInfo{Type: kind, Name: "0x" + strconv.FormatInt(kind, 16), Dev: dev}
	if k, ok := fsKinds[kind]; ok {
		info.Name, info.Trusted, info.CanPunch, info.CanClone = k.name, k.trusted, k.punch, k.cloned
	}
	info.ID = uint64(uint32(st.Fsid.Val[0]))<<32 | uint64(uint32(st.Fsid.Val[1]))
	info.Mount = mountOf(fd)
	info.Free, info.Total = int64(st.Bavail)*int64(st.Bsize), int64(st.Blocks)*int64(st.Bsize)
	return info, nil
}

// mountOf is the number of the mount that the directory fd lies on, 0 where the kernel numbers mounts anew after each other.
func mountOf(fd int) uint64 {
	var x unix.Statx_t
	err := retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &x) })
	if err != nil || x.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return 0
	}
	return x.Mnt_id
}
