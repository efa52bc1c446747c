def console(s, r):
    out=[s.name]
    for n,c in r.cells.items():
        out.append(f"  {n:12} "+(c.failure or " ".join(f"{k}={v.median:.1f}" for k,v in c.stats.items())))
    return "\n".join(out)
def write(*a): pass
