"""psql: every command of the \\d family, and what the important ones must say."""

import re
import shutil

from hub import check, done, psql, set_up

if shutil.which("psql") is None:
    raise SystemExit("psql is not installed")

LISTS = r"""\l \l+ \dn \dn+ \dt \dt+ \dt+_shop.* \dv+_shop.* \dm \dE+_shop.* \ds \di \di+_shop.* \d \d+ \d_shop.* \d+_shop.orders \d+_shop.big
\d+_shop.people \d+_shop.loaded \d_shop.customers_pkey \d_hub.runs \dT \dT+ \dd \dd_shop.* \dp \dp_shop.* \z \du \du+ \dg \dx \dx+ \des \des+
\deu \deu+ \det \det+_shop.* \dew \dew+ \sv_shop.big \df \df+_shop.* \da \dF \dFd \dFp \dFt \dRp \dRs \dL \dL+ \dO \do \dC \dD \dP \db \db+ \dy \ddp
\drds \dconfig \dA \dA+ \dAc \dAf \dAo \dX \dc \conninfo \encoding \dS""".split()

set_up()
for listed in LISTS:
    command = listed.replace("_", " ", 1)
    check(f"psql {command}", lambda: psql("-c", command))


def says(command, *patterns):
    text = psql("-c", command)
    for pattern in patterns:
        assert re.search(pattern, text), f"{command} does not say {pattern}:\n{text}"


check(
    "a table's keys, rules, defaults",
    lambda: says(
        r"\d shop.orders",
        r"id +\| bigint +\| +\| not null",
        r"amount +\| numeric\(12,2\) +\| +\| +\| 0",
        r'"orders_pkey" PRIMARY KEY, btree \(id\)',
        r'"positive" CHECK \(\(amount >= 0\)\)',
        r'"orders_customer_fk" FOREIGN KEY \(customer_id\) REFERENCES shop.customers\(id\)',
    ),
)
check("a unique column", lambda: says(r"\d shop.customers", "UNIQUE CONSTRAINT"))
check("who refers to it", lambda: says(r"\d shop.customers", "Referenced by:", 'TABLE "shop.orders" CONSTRAINT "orders_customer_fk"'))
check("comments", lambda: says(r"\d+ shop.customers", "As on the invoice."))
check("comments of schemas", lambda: says(r"\dn+", "The shop."))
check("comments of relations", lambda: says(r"\dv+ shop.*", "Large ones."))
check("the key of an upsert", lambda: says(r"\d shop.loaded", r'"loaded_pkey" PRIMARY KEY', r'"named" CHECK'))
check("a view's text", lambda: says(r"\sv shop.big", "amount > 100"))
check("sources are foreign tables", lambda: says(r"\det shop.*", r"people +\| shop.files"))
check("connections are servers", lambda: says(r"\des", r"shop.files +\| admin +\| local"))
check("the databases", lambda: says(r"\l", r"weir +\| admin"))
done()
