"""Layouts that people download: `init` gives a right YAML, or one message that says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from feature_repo.datasets import custom
from feature_repo.datasets.init_config import init_folder
from feature_repo.errors import InputError

ROWS = 300

LAYOUTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "amazon_reviews": (
        "reviewerID,asin,overall,unixReviewTime,reviewTime",
        'A{u}X,B{i},{r}.0,{epoch},"01 2, 2014"',
        {"user": "reviewerID", "item": "asin", "timestamp": "unixReviewTime", "rating": "overall", "positive_from": 4},
    ),
    "amazon_2023": (
        "rating,title,asin,parent_asin,user_id,timestamp",
        "{r}.0,fine,B{i},P{i},A{u},{epoch}000",
        {"user": "user_id", "item": "parent_asin", "timestamp": "timestamp", "epoch": "ms", "rating": "rating"},
    ),
    "uci_online_retail": (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "5{u},8{i}A,HOLDER,6,12/{d}/2010 8:26,2.55,178{u}.0,UK",
        {
            "user": "CustomerID",
            "item": "StockCode",
            "timestamp": "InvoiceDate",
            "value": "UnitPrice",
            "whole_ids": True,
        },
    ),
    "hm": (
        "t_dat,customer_id,article_id,price,sales_channel_id",
        "2024-01-{d},00{u},06637130{i},0.05,2",
        {"user": "customer_id", "item": "article_id", "timestamp": "t_dat", "value": "price"},
    ),
    "retailrocket": (
        "timestamp,visitorid,event,itemid,transactionid",
        "{epoch}000,{u},view,10{i},",
        {"user": "visitorid", "item": "itemid", "timestamp": "timestamp", "epoch": "ms"},
    ),
    "lastfm": (
        "userid,timestamp,artid,artname,traid,traname",
        "u{u},2024-01-{d}T10:00:00Z,a{i},Band,t{i},Song",
        {"user": "userid", "item": "traid", "timestamp": "timestamp"},
    ),
    "kuairec": (
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio",
        "{u},{i},5000,9000,2020-07-{d} 00:08:23.438,202007{d},{epoch}.438,0.55",
        {"user": "user_id", "item": "video_id", "timestamp": "time"},
    ),
    "ga4": (
        "event_date,event_timestamp,event_name,user_pseudo_id,user_id,item_id,price",
        "202401{d},{epoch}000000,purchase,{u}.17,,sku{i},4.5",
        {"user": "user_pseudo_id", "item": "item_id", "timestamp": "event_timestamp", "epoch": "us", "value": "price"},
    ),
    "movielens_small": (
        "userId,movieId,rating,timestamp",
        "{u},{i},{r}.5,{epoch}",
        {"user": "userId", "item": "movieId", "timestamp": "timestamp", "rating": "rating", "epoch": "s"},
    ),
    "shop_export": (
        "Order Date,Customer Name,Customer ID,Product Category,Product Name,Product ID,Sales",
        "2024-01-{d},Ann {u},C{u},cat,thing,P{i},1.5",
        {"user": "Customer ID", "item": "Product ID", "timestamp": "Order Date", "value": "Sales"},
    ),
}


def lines(header: str, row: str) -> str:
    filled = (
        row.format(u=10 + n % 17, i=10 + n % 23, r=1 + n % 5, d=f"{1 + n % 28:02d}", epoch=1704067200 + 18_000 * n)
        for n in range(ROWS)
    )
    return "\n".join((header, *filled)) + "\n"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_init_finds_the_roles_and_the_draft_loads(tmp_path: Path, layout: str) -> None:
    header, row, wanted = LAYOUTS[layout]
    tmp_path.joinpath("events.csv").write_text(lines(header, row))
    found = yaml.safe_load(init_folder(tmp_path).path.read_text())["events"]
    assert {key: found.get(key) for key in wanted} == wanted
    roles = [found[key] for key in ("user", "item", "timestamp", "value", "basket", "rating") if key in found]
    assert len(roles) == len(set(roles))
    tables = custom.load(tmp_path)
    assert tables.events.height == (ROWS if "rating" not in found else ROWS * (6 - int(found["positive_from"])) // 5)
    assert tables.events["user_id"].n_unique() == 17
    assert tables.events["item_id"].n_unique() == 23


def test_yelp(tmp_path: Path) -> None:
    rows = [
        {"review_id": f"r{n}", "user_id": f"u{n % 17}", "business_id": f"b{n % 23}", "stars": float(1 + n % 5)}
        | {"useful": 0, "text": 'He said "no".\nNever', "date": f"2018-07-{1 + n % 28:02d} 22:09:11"}
        for n in range(ROWS)
    ]
    business = [{"business_id": f"b{n}", "name": f"Café {n}", "categories": "Food, Bars"} for n in range(23)]
    for name, table in (("review", rows), ("business", business)):
        text = "\n".join(map(json.dumps, table))
        tmp_path.joinpath(f"yelp_academic_dataset_{name}.json").write_text(text)
    config = yaml.safe_load(init_folder(tmp_path).path.read_text())
    events = config["events"]
    assert (events["user"], events["item"], events["timestamp"]) == ("user_id", "business_id", "date")
    assert (events["rating"], events["positive_from"]) == ("stars", 4)
    assert config["items"]["id"] == "business_id"
    assert config["items"]["features"]["categories"]["kind"] == "multi_valued"


def test_gowalla_has_no_header(tmp_path: Path) -> None:
    rows = (f"{n % 17}\t2010-10-{1 + n % 28:02d}T23:55:27Z\t30.2\t-97.7\t22{n % 23}" for n in range(ROWS))
    tmp_path.joinpath("loc-gowalla_totalCheckins.txt").write_text("\n".join(rows))
    init_folder(tmp_path)
    assert custom.load(tmp_path).events.height == ROWS


def test_cancelled_orders_are_no_positives(tmp_path: Path) -> None:
    header, row, _ = LAYOUTS["uci_online_retail"]
    text = lines(header, row).splitlines()
    text[3] = text[3].replace("5", "C5", 1).replace("HOLDER,6", "HOLDER,-6")
    text[9] = text[9].replace("HOLDER,6", "HOLDER,-1")
    text[20] = text[20].replace("178", "", 1).replace(",27.0,", ",,").replace(",28.0,", ",,").replace(",29.0,", ",,")
    tmp_path.joinpath("events.csv").write_text("\n".join(text))
    found = yaml.safe_load(init_folder(tmp_path).path.read_text())["events"]
    assert set(found["drop_where"]) == {"InvoiceNo", "Quantity"}
    tables = custom.load(tmp_path)
    assert tables.events.height <= ROWS - 2
    assert [note for note in tables.notes if "column 'InvoiceNo' matches '^[Cc]': 1 of 300 rows" in note]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"events": "order_id,user_id,order_dow,days_since_prior_order,product_id\n0,{u},0,3.0,{i}"},
            ["user user_id, item product_id, time (none)", "order_dow", "Without a calendar", "timestamp: 'COLUMN'"],
        ),
        (
            {"orders": "order_id,user_id,order_dow\n0,{u},0", "products": "order_id,product_id\n0,{i}"},
            ["orders.csv has the user and products.csv the item: join them on order_id"],
        ),
        (
            {"BX-Book-Ratings": '"User-ID";"ISBN";"Book-Rating"\n"{u}";"03{i}";"{r}"'},
            ["user User-ID, item ISBN, time (none)", "untimed"],
        ),
        ({"ratings_Books": "A1X,B1,5.0,1370000000\nA{u},B{i},{r}.0,{epoch}"}, ["no header", "columns: [user_id"]),
    ],
)
def test_one_message_says_what_is_missing(tmp_path: Path, files: dict[str, str], said: list[str]) -> None:
    for name, table in files.items():
        tmp_path.joinpath(f"{name}.csv").write_text(lines(*table.split("\n")))
    with pytest.raises(InputError) as error:
        init_folder(tmp_path)
    for text in said:
        assert text in str(error.value)
    assert not tmp_path.joinpath(custom.YAML_NAME).exists()


def test_days_and_months_that_nothing_tells_apart_are_asked(tmp_path: Path) -> None:
    rows = (f"u{n % 17},i{n % 23},0{1 + n % 9}/0{1 + n % 8}/2024" for n in range(ROWS))
    tmp_path.joinpath("events.csv").write_text("\n".join(("user_id,item_id,date", *rows)))
    with pytest.raises(InputError, match=r"day or month first.*dates: day-first") as error:
        init_folder(tmp_path)
    draft = str(error.value).partition("with that mended:\n\n")[2]
    path = tmp_path / custom.YAML_NAME
    path.write_text(draft.replace("  timestamp: date", "  timestamp: date\n  dates: month-first"))
    assert str(custom.load(tmp_path).events["timestamp"].max())[:10] == "2024-09-08"
