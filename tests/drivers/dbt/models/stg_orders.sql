select id as order_id, customer_id, amount, status, placed_at, placed_at::date as day
from {{ ref('raw_orders') }}
